/* What is asked of servers that answer in a protocol, and what is no answer. In all of these a reply
 * is a head that names the length of its body, an empty line, and a body, which holds the text that
 * was sent. */

#ifndef PROTOCOL_H
#define PROTOCOL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes that a request has at most besides its text, and a reply. */
#define OVERHEAD 1024

/* What a message is: bytes, or a line, of which the reply is a copy; or a request of a protocol. */
typedef enum { ECHO, LINES, GET, POST, RPC, PROTOCOLS } Protocol;

static inline Protocol protocol_of(const char *name)
{
    static const char *const names[PROTOCOLS] = { "exchanges", "lines", "get", "post", "rpc" };
    for (int i = 0; i < PROTOCOLS; i++)
        if (strcmp(name, names[i]) == 0) return i;
    fprintf(stderr, "There is no protocol %s\n", name);
    exit(2);
}

/* Writes the request, which holds the text. Returns its length. */
static inline unsigned make_request(Protocol protocol, const unsigned char *text, unsigned length,
                                    char *request)
{
    static const char call[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":[\"%.*s\"]}";
    int written;
    switch (protocol) {
    case GET:
        written = sprintf(request, "GET /%.*s HTTP/1.1\r\nHost: localhost\r\n\r\n", length, text);
        break;
    case POST:
        written = sprintf(request,
                          "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %u\r\n\r\n%.*s",
                          length, length, text);
        break;
    case RPC:
        written = snprintf(NULL, 0, call, length, text);
        written = sprintf(request, "Content-Length: %d\r\n\r\n", written);
        written += sprintf(request + written, call, length, text);
        break;
    default:
        memcpy(request, text, length);
        return length;
    }
    return (unsigned)written;
}

/* Where the body begins; NULL while the head is not whole. */
static inline const char *body_of(const char *reply, unsigned received)
{
    for (unsigned i = 4; i <= received; i++)
        if (memcmp(reply + i - 4, "\r\n\r\n", 4) == 0) return reply + i;
    return NULL;
}

/* What the head says; -1 if it does not. */
static inline long content_length(const char *head, const char *end)
{
    static const char name[] = "content-length:";
    for (; head < end; head++)
        if (_strnicmp(head, name, sizeof name - 1) == 0)
            return strtol(head + sizeof name - 1, NULL, 10);
    return -1;
}

static inline int holds(const char *body, unsigned long size, const unsigned char *text,
                        unsigned length)
{
    for (; size >= length; body++, size--)
        if (memcmp(body, text, length) == 0) return 1;
    return 0;
}

/* 1: this is the whole reply to the text. 0: more of it has to come. -1: it is none. */
static inline int judge(Protocol protocol, const char *reply, unsigned received,
                        const unsigned char *text, unsigned length)
{
    if (protocol <= LINES) {
        if (received < length) return 0;
        return received == length && memcmp(reply, text, length) == 0 ? 1 : -1;
    }
    const char *body = body_of(reply, received);
    if (body == NULL) return received < length + OVERHEAD ? 0 : -1;
    static const char ok[] = "HTTP/1.1 200 ";
    if (protocol != RPC && memcmp(reply, ok, sizeof ok - 1) != 0) return -1;
    long size = content_length(reply, body), rest = received - (body - reply);
    if (size < 0 || rest > size) return -1;
    if (rest < size) return 0;
    return holds(body, size, text, length) ? 1 : -1;
}

#endif
