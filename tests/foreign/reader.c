/* A client that only reads: a message at a time, or a stream of bytes. It ends when the server has
 * closed the connection, and everything has come.
 * Arguments: the pipe, how many messages, "message" or "byte". */

#include "common.h"

static HANDLE open_to_read(const char *path, BOOL messages)
{
    DWORD mode = PIPE_READMODE_MESSAGE;
    /* Without FILE_WRITE_ATTRIBUTES a client that only reads may not change its read mode. */
    DWORD access = messages ? GENERIC_READ | FILE_WRITE_ATTRIBUTES : GENERIC_READ;
    HANDLE pipe = CreateFileA(path, access, 0, NULL, OPEN_EXISTING, 0, NULL);
    if (pipe == INVALID_HANDLE_VALUE) fail("CreateFile");
    if (messages && !SetNamedPipeHandleState(pipe, &mode, NULL, NULL)) {
        fail("SetNamedPipeHandleState");
    }
    return pipe;
}

/* Reads so many bytes at most, and says how many came; nothing at the end. */
static DWORD read_some(HANDLE pipe, DWORD room)
{
    DWORD done = 0;
    if (ReadFile(pipe, reply, room, &done, NULL)) return done;
    if (GetLastError() != ERROR_BROKEN_PIPE) fail("ReadFile");
    return 0;
}

int main(int argc, char **argv)
{
    DWORD round, rounds = argc == 4 ? atoi(argv[2]) : 0;
    BOOL messages = argc == 4 && strcmp(argv[3], "message") == 0;
    HANDLE pipe = open_to_read(argv[1], messages);

    for (round = 0; round < rounds; round++) {
        DWORD length = make_request(round), total = 0;
        while (total < length) {
            DWORD done = read_some(pipe, messages ? sizeof reply : length - total);
            if (messages ? done != length : done == 0) {
                fprintf(stderr, "Message %lu: %lu bytes instead of %lu\n", round, done, length);
                return 1;
            }
            if (memcmp(request + total, reply, done) != 0) return 3;
            total += done;
        }
    }
    if (read_some(pipe, 1) != 0) return 4;
    CloseHandle(pipe);
    return 0;
}
