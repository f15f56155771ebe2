/* A server of streams with as few calls as Windows allows: one thread, a completion port, and no
 * packet for what was over at once. Each of its connections drops what it reads, or writes as fast as
 * it is read from, or both: see stream.h.
 *
 * Arguments: the pipe, how many instances. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "stream.h"

/* Bytes that Windows holds in each direction, as in the servers that are compared. */
#define QUOTA 65536
#define BATCH 64
/* Rounds over what is over at once, before the port is asked for the others. */
#define ROUNDS 16

/* What one OVERLAPPED of an instance is doing. */
typedef enum { NOTHING, PENDING, DONE } State;

typedef struct {
    HANDLE pipe;
    /* Listens and reads; writes. Packets are told apart by their addresses. */
    OVERLAPPED in, out;
    State in_state, out_state;
    BOOL connected, introduced;
    Header header;
    unsigned char *buffer;
} Instance;

static unsigned char pattern[LONGEST];
/* The length of a chunk that pattern was filled for. */
static DWORD chunk;

static void give_up(const char *call)
{
    fprintf(stderr, "%s failed with error %lu\n", call, GetLastError());
    exit(1);
}

static State submitted(BOOL over, OVERLAPPED *operation)
{
    if (over) return DONE;
    DWORD error = GetLastError();
    if (error == ERROR_IO_PENDING) return PENDING;
    operation->Internal = error;
    operation->InternalHigh = 0;
    return DONE;
}

static void await_client(Instance *instance)
{
    memset(&instance->in, 0, sizeof instance->in);
    instance->connected = instance->introduced = FALSE;
    BOOL over = ConnectNamedPipe(instance->pipe, &instance->in);
    if (!over && GetLastError() == ERROR_PIPE_CONNECTED) {
        over = TRUE;
        instance->in.Internal = 0;
    }
    instance->in_state = submitted(over, &instance->in);
}

static void read_on(Instance *instance)
{
    memset(&instance->in, 0, sizeof instance->in);
    instance->in_state = submitted(
        ReadFile(instance->pipe, instance->buffer, LONGEST, NULL, &instance->in), &instance->in);
}

static void write_on(Instance *instance)
{
    memset(&instance->out, 0, sizeof instance->out);
    instance->out_state =
        submitted(WriteFile(instance->pipe, pattern, chunk, NULL, &instance->out), &instance->out);
}

/* The client has left: the instance listens again once nothing of it is pending. */
static void leave(Instance *instance)
{
    if (instance->in_state == PENDING || instance->out_state == PENDING) {
        CancelIo(instance->pipe);
        return;
    }
    instance->in_state = instance->out_state = NOTHING;
    DisconnectNamedPipe(instance->pipe);
    await_client(instance);
}

static void introduce(Instance *instance)
{
    memcpy(&instance->header, instance->buffer, sizeof instance->header);
    instance->introduced = TRUE;
    if (!goes_down(instance->header)) return;
    DWORD wanted = 1U << instance->header.chunk_bits;
    if (wanted != chunk) fill(pattern, chunk = wanted, wanted);
    write_on(instance);
}

/* Goes on with what is over. Whether something is over again. */
static BOOL go_on(Instance *instance)
{
    if (instance->in_state == DONE) {
        if (instance->in.Internal != 0) {
            leave(instance);
        } else {
            if (!instance->connected) instance->connected = TRUE;
            else if (!instance->introduced) introduce(instance);
            read_on(instance);
        }
    }
    if (instance->out_state == DONE) {
        if (instance->out.Internal == 0) write_on(instance);
        else instance->out_state = NOTHING;
    }
    return instance->in_state == DONE || instance->out_state == DONE;
}

static Instance *create_instances(const char *path, DWORD count, HANDLE port)
{
    UCHAR skip = FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE;
    Instance *instances = calloc(count, sizeof *instances);
    if (instances == NULL) give_up("calloc");
    for (DWORD i = 0; i < count; i++) {
        Instance *instance = &instances[i];
        instance->pipe = CreateNamedPipeA(path, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED,
                                          PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT,
                                          PIPE_UNLIMITED_INSTANCES, QUOTA, QUOTA, 5000, NULL);
        instance->buffer = malloc(LONGEST);
        if (instance->pipe == INVALID_HANDLE_VALUE || instance->buffer == NULL ||
            CreateIoCompletionPort(instance->pipe, port, (ULONG_PTR)instance, 1) == NULL ||
            !SetFileCompletionNotificationModes(instance->pipe, skip)) {
            give_up("CreateNamedPipe");
        }
        await_client(instance);
    }
    return instances;
}

int main(int argc, char **argv)
{
    OVERLAPPED_ENTRY entries[BATCH];
    ULONG removed;

    if (argc != 3) return 2;
    DWORD count = strtoul(argv[2], NULL, 10);
    HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    if (port == NULL) give_up("CreateIoCompletionPort");
    Instance *instances = create_instances(argv[1], count, port);
    for (;;) {
        BOOL more = TRUE;
        for (int round = 0; more && round < ROUNDS; round++) {
            more = FALSE;
            for (DWORD i = 0; i < count; i++) more |= go_on(&instances[i]);
        }
        if (!GetQueuedCompletionStatusEx(port, entries, BATCH, &removed, more ? 0 : INFINITE, FALSE)) {
            if (GetLastError() != WAIT_TIMEOUT) give_up("GetQueuedCompletionStatusEx");
            continue;
        }
        for (ULONG i = 0; i < removed; i++) {
            Instance *instance = (Instance *)entries[i].lpCompletionKey;
            if (entries[i].lpOverlapped == &instance->in) instance->in_state = DONE;
            else instance->out_state = DONE;
        }
    }
}
