/* A client of TransactNamedPipe, whose buffer is sometimes too small for the reply.
 * Arguments: the pipe, how many rounds. */

#include "common.h"

int main(int argc, char **argv)
{
    DWORD round, rounds = argc == 3 ? atoi(argv[2]) : 0;
    HANDLE pipe = open_pipe(argv[1], 0);

    for (round = 0; round < rounds; round++) {
        DWORD length = make_request(round), room = round % 8 < 4 ? sizeof reply : 100, done, rest = 0;
        if (!TransactNamedPipe(pipe, request, length, reply, room, &done, NULL)) {
            if (GetLastError() != ERROR_MORE_DATA) fail("TransactNamedPipe");
            if (!ReadFile(pipe, reply + done, sizeof reply - done, &rest, NULL)) fail("ReadFile");
        }
        check_reply(round, length, done + rest);
    }
    CloseHandle(pipe);
    return 0;
}
