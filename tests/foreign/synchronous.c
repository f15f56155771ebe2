/* A client without overlapped I/O: writes, and reads in pieces while there is more.
 * Arguments: the pipe, how many rounds. */

#include "common.h"

int main(int argc, char **argv)
{
    DWORD round, rounds = argc == 3 ? atoi(argv[2]) : 0;
    HANDLE pipe = open_pipe(argv[1], 0);

    for (round = 0; round < rounds; round++) {
        DWORD length = make_request(round), done, total = 0;
        BOOL whole = FALSE;
        if (!WriteFile(pipe, request, length, &done, NULL) || done != length) fail("WriteFile");
        while (!whole) {
            DWORD room = sizeof reply - total;
            whole = ReadFile(pipe, reply + total, room < 4096 ? room : 4096, &done, NULL);
            if (!whole && GetLastError() != ERROR_MORE_DATA) fail("ReadFile");
            total += done;
        }
        check_reply(round, length, total);
    }
    CloseHandle(pipe);
    return 0;
}
