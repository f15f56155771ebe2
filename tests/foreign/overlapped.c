/* A client with overlapped I/O: in each round the read is under way before the request is written.
 * Arguments: the pipe, how many rounds. */

#include "common.h"

static DWORD result(HANDLE pipe, OVERLAPPED *operation, BOOL returned, const char *call)
{
    DWORD done;
    if (!returned && GetLastError() != ERROR_IO_PENDING) fail(call);
    if (!GetOverlappedResult(pipe, operation, &done, TRUE)) fail(call);
    return done;
}

int main(int argc, char **argv)
{
    DWORD round, rounds = argc == 3 ? atoi(argv[2]) : 0;
    HANDLE pipe = open_pipe(argv[1], FILE_FLAG_OVERLAPPED);
    HANDLE read_event = CreateEventA(NULL, TRUE, FALSE, NULL);
    HANDLE write_event = CreateEventA(NULL, TRUE, FALSE, NULL);

    for (round = 0; round < rounds; round++) {
        OVERLAPPED reading = {0}, writing = {0};
        DWORD length = make_request(round);
        BOOL written;
        reading.hEvent = read_event;
        writing.hEvent = write_event;
        if (ReadFile(pipe, reply, sizeof reply, NULL, &reading)) {
            fprintf(stderr, "A reply came before its request\n");
            return 1;
        }
        if (GetLastError() != ERROR_IO_PENDING) fail("ReadFile");
        written = WriteFile(pipe, request, length, NULL, &writing);
        if (result(pipe, &writing, written, "WriteFile") != length) fail("WriteFile");
        check_reply(round, length, result(pipe, &reading, TRUE, "ReadFile"));
    }
    CloseHandle(pipe);
    return 0;
}
