/* What the ends of a stream agree on: its first two bytes, from the load, and what it consists of. */

#ifndef STREAM_H
#define STREAM_H

#include <windows.h>

/* The longest chunk, and read. */
#define LONGEST 65536

/* The load says which way the bytes go, and how long a chunk is: a power of two. */
typedef struct {
    unsigned char direction;
    unsigned char chunk_bits;
} Header;

static inline BOOL goes_up(Header header)
{
    return header.direction == 'u' || header.direction == 'b';
}

static inline BOOL goes_down(Header header)
{
    return header.direction == 'd' || header.direction == 'b';
}

/* The bytes of a chunk, which is repeated. */
static inline void fill(unsigned char *bytes, size_t length, size_t chunk)
{
    for (size_t i = 0; i < length; i++) {
        size_t at = i % chunk;
        bytes[i] = (unsigned char)(at * 31 + at / 251);
    }
}

#endif
