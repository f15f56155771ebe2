/* A server that sends one message to all of its clients whenever one sends it a message: a loop of
 * WriteFile over all of them. Each client is sent one message when it comes. One thread, a completion
 * port, and no packet for what was over at once.
 *
 * Arguments: the pipe, how many instances, bytes of a message. */

#include "echo.h"

#define BATCH 64

/* Writes beside the reads of the instances. */
static OVERLAPPED *writes;

static void send_to(Instance *instance)
{
    OVERLAPPED *write = &writes[instance - instances];
    /* Its client does not take what it was sent before. */
    if (write->Internal == STATUS_PENDING) return;
    memset(write, 0, sizeof *write);
    WriteFile(instance->pipe, instances[0].message, longest, NULL, write);
}

static void push(void)
{
    for (DWORD i = 0; i < count; i++) {
        if (instances[i].phase == READING) send_to(&instances[i]);
    }
}

/* What is over at once is followed by the next step. */
static void begin(Instance *instance)
{
    for (;;) {
        if (!submit(instance)) {
            DWORD error = GetLastError();
            if (error == ERROR_IO_PENDING) return;
            if (error != ERROR_PIPE_CONNECTED) {
                disconnect(instance);
                continue;
            }
        }
        if (instance->phase == READING) {
            push();
        } else {
            instance->phase = READING;
            send_to(instance);
        }
    }
}

static void go_on(Instance *instance)
{
    if (instance->operation.Internal != 0) {
        disconnect(instance);
    } else if (instance->phase == READING) {
        push();
    } else {
        instance->phase = READING;
        send_to(instance);
    }
    begin(instance);
}

int main(int argc, char **argv)
{
    OVERLAPPED_ENTRY entries[BATCH];
    ULONG removed;
    UCHAR skip = FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE;

    create_instances(argc, argv);
    writes = calloc(count, sizeof *writes);
    HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    if (writes == NULL || port == NULL) give_up("CreateIoCompletionPort");
    for (DWORD i = 0; i < count; i++) {
        if (CreateIoCompletionPort(instances[i].pipe, port, (ULONG_PTR)&instances[i], 1) == NULL ||
            !SetFileCompletionNotificationModes(instances[i].pipe, skip)) {
            give_up("SetFileCompletionNotificationModes");
        }
        begin(&instances[i]);
    }
    for (;;) {
        if (!GetQueuedCompletionStatusEx(port, entries, BATCH, &removed, INFINITE, FALSE)) {
            give_up("GetQueuedCompletionStatusEx");
        }
        for (ULONG i = 0; i < removed; i++) {
            Instance *instance = (Instance *)entries[i].lpCompletionKey;
            if (entries[i].lpOverlapped == &instance->operation) go_on(instance);
        }
    }
}
