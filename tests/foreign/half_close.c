/* A client that ends its direction by an empty message, as go-winio does, and then reads until the
 * server ends the other one likewise.
 * Arguments: the pipe, how many messages. It expects each of them back. */

#include "common.h"

int main(int argc, char **argv)
{
    DWORD round, rounds = argc == 3 ? atoi(argv[2]) : 0, done;
    HANDLE pipe = open_pipe(argv[1], 0);

    for (round = 0; round < rounds; round++) {
        DWORD length = make_request(round);
        if (!WriteFile(pipe, request, length, &done, NULL) || done != length) fail("WriteFile");
    }
    if (!WriteFile(pipe, request, 0, &done, NULL)) fail("WriteFile of nothing");
    for (round = 0; round < rounds; round++) {
        DWORD length = make_request(round);
        if (!ReadFile(pipe, reply, sizeof reply, &done, NULL)) fail("ReadFile");
        check_reply(round, length, done);
    }
    if (!ReadFile(pipe, reply, sizeof reply, &done, NULL)) fail("ReadFile of the end");
    if (done != 0) return 3;
    CloseHandle(pipe);
    return 0;
}
