/* An echo server of the kind that Microsoft's documentation shows: one thread, an event for each
 * instance, WaitForMultipleObjects over all of them, and one operation for each return of it.
 *
 * Arguments: the pipe, how many instances (up to 64), bytes of a message at most. */

#include "echo.h"

/* Begins what the phase is about. What is over at once has set the event as well. */
static BOOL begin(Instance *instance)
{
    if (submit(instance)) return TRUE;
    DWORD error = GetLastError();
    if (error != ERROR_PIPE_CONNECTED) return error == ERROR_IO_PENDING;
    instance->operation.Internal = 0;
    return SetEvent(instance->operation.hEvent);
}

static void go_on(Instance *instance, BOOL fine, DWORD bytes)
{
    if (fine) {
        step(instance, bytes);
        fine = begin(instance);
    }
    while (!fine) {
        disconnect(instance);
        fine = begin(instance);
    }
}

int main(int argc, char **argv)
{
    HANDLE events[MAXIMUM_WAIT_OBJECTS];

    create_instances(argc, argv);
    if (count > MAXIMUM_WAIT_OBJECTS) return 2;
    for (DWORD i = 0; i < count; i++) {
        events[i] = instances[i].operation.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL);
        if (!begin(&instances[i])) give_up("ConnectNamedPipe");
    }
    for (;;) {
        DWORD bytes, index = WaitForMultipleObjects(count, events, FALSE, INFINITE);
        if (index >= count) give_up("WaitForMultipleObjects");
        BOOL fine = GetOverlappedResult(instances[index].pipe, &instances[index].operation, &bytes,
                                        FALSE);
        go_on(&instances[index], fine, bytes);
    }
}
