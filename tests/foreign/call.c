/* A client of CallNamedPipe: a connection for each request.
 * Arguments: the pipe, how many rounds. */

#include "common.h"

int main(int argc, char **argv)
{
    DWORD round, rounds = argc == 3 ? atoi(argv[2]) : 0;

    for (round = 0; round < rounds; round++) {
        DWORD length = make_request(round), done;
        /* It waits once: another client may be quicker. */
        while (!CallNamedPipeA(argv[1], request, length, reply, sizeof reply, &done, 20000)) {
            if (GetLastError() != ERROR_PIPE_BUSY) fail("CallNamedPipe");
        }
        check_reply(round, length, done);
    }
    return 0;
}
