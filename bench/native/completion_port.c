/* The limit: an echo server with as few calls for an exchange as Windows allows. One thread, a
 * completion port, as many packets as there are with each call, and no packet for what was over at
 * once.
 *
 * Arguments: the pipe, how many instances, bytes of a message at most. */

#include "echo.h"

#define BATCH 64

/* Instances whose operation was over at once; they go on after the packets that are there. */
static Instance **ready;
static DWORD ready_count;

static void begin(Instance *instance)
{
    for (;;) {
        if (submit(instance)) {
            ready[ready_count++] = instance;
            return;
        }
        DWORD error = GetLastError();
        if (error == ERROR_IO_PENDING) return;
        if (error == ERROR_PIPE_CONNECTED) step(instance, 0);
        else disconnect(instance);
    }
}

static void go_on(Instance *instance)
{
    if (instance->operation.Internal != 0) {
        disconnect(instance);
    } else {
        step(instance, (DWORD)instance->operation.InternalHigh);
    }
    begin(instance);
    /* A reply that was taken at once is followed by the next read in the same step. */
    if (instance->phase == WRITING && ready_count > 0 && ready[ready_count - 1] == instance) {
        ready_count--;
        step(instance, 0);
        begin(instance);
    }
}

int main(int argc, char **argv)
{
    OVERLAPPED_ENTRY entries[BATCH];
    ULONG removed;
    UCHAR skip = FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE;

    create_instances(argc, argv);
    ready = calloc(count + 1, sizeof *ready);
    HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    if (ready == NULL || port == NULL) give_up("CreateIoCompletionPort");
    for (DWORD i = 0; i < count; i++) {
        if (CreateIoCompletionPort(instances[i].pipe, port, (ULONG_PTR)&instances[i], 1) == NULL ||
            !SetFileCompletionNotificationModes(instances[i].pipe, skip)) {
            give_up("SetFileCompletionNotificationModes");
        }
        begin(&instances[i]);
    }
    for (;;) {
        DWORD timeout = ready_count > 0 ? 0 : INFINITE;
        if (!GetQueuedCompletionStatusEx(port, entries, BATCH, &removed, timeout, FALSE)) {
            if (GetLastError() != WAIT_TIMEOUT) give_up("GetQueuedCompletionStatusEx");
            removed = 0;
        }
        DWORD waiting = ready_count;
        for (ULONG i = 0; i < removed; i++) go_on((Instance *)entries[i].lpCompletionKey);
        /* Those that were ready before; what became ready meanwhile has its turn next time. */
        Instance **first = ready;
        for (DWORD i = 0; i < waiting; i++) {
            Instance *instance = *first;
            memmove(ready, ready + 1, --ready_count * sizeof *ready);
            go_on(instance);
        }
    }
}
