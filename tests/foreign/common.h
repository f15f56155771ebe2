/* What the clients in C share: how they open the pipe, what they send, and how they give up. */

#ifndef COMMON_H
#define COMMON_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#define LONGEST 200000

/* Lengths that fit into one read, into the quota of the pipe, and into neither. */
static const DWORD lengths[] = {1, 64, 5000, LONGEST};

static unsigned char request[LONGEST], reply[LONGEST];

static void fail(const char *call)
{
    fprintf(stderr, "%s failed with error %lu\n", call, GetLastError());
    exit(1);
}

/* Makes the request of a round, and says how long it is. */
static DWORD make_request(DWORD round)
{
    DWORD length = lengths[round % 4], i;
    for (i = 0; i < length; i++) request[i] = (unsigned char)(i * 31 + round);
    return length;
}

static inline void check_reply(DWORD round, DWORD expected, DWORD length)
{
    if (length == expected && memcmp(request, reply, length) == 0) return;
    fprintf(stderr, "Reply %lu is wrong: %lu bytes instead of %lu\n", round, length, expected);
    exit(1);
}

/* Opens the pipe, for as long as all instances are busy again and again. */
static inline HANDLE open_pipe(const char *path, DWORD flags)
{
    DWORD mode = PIPE_READMODE_MESSAGE;
    for (;;) {
        HANDLE pipe = CreateFileA(path, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, flags,
                                  NULL);
        if (pipe != INVALID_HANDLE_VALUE) {
            if (!SetNamedPipeHandleState(pipe, &mode, NULL, NULL)) fail("SetNamedPipeHandleState");
            return pipe;
        }
        if (GetLastError() != ERROR_PIPE_BUSY) fail("CreateFile");
        if (!WaitNamedPipeA(path, 20000)) fail("WaitNamedPipe");
    }
}

#endif
