/* A client that only writes.
 * Arguments: the pipe, how many messages. */

#include "common.h"

int main(int argc, char **argv)
{
    DWORD round, rounds = argc == 3 ? atoi(argv[2]) : 0;
    HANDLE pipe = CreateFileA(argv[1], GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);

    if (pipe == INVALID_HANDLE_VALUE) fail("CreateFile");
    for (round = 0; round < rounds; round++) {
        DWORD length = make_request(round), done;
        if (!WriteFile(pipe, request, length, &done, NULL) || done != length) fail("WriteFile");
    }
    CloseHandle(pipe);
    return 0;
}
