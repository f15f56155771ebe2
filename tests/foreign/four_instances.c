/* A server of the kind that Microsoft's documentation shows: one thread, four instances, an event
 * for each, and one answer to everything. It runs until it is killed.
 * Arguments: the pipe. */

#include <stdio.h>
#include <string.h>
#include <windows.h>

#define COUNT 4
#define SIZE 4096

typedef enum { CONNECTING, READING, WRITING } Phase;

typedef struct {
    HANDLE pipe;
    OVERLAPPED operation;
    Phase phase;
    char request[SIZE];
} Instance;

static const char answer[] = "Default answer from server";
static Instance instances[COUNT];

/* Begins what the phase is about. What is over at once has set the event as well. */
static BOOL begin(Instance *instance)
{
    HANDLE event = instance->operation.hEvent;
    BOOL done = FALSE;
    memset(&instance->operation, 0, sizeof instance->operation);
    instance->operation.hEvent = event;
    switch (instance->phase) {
    case CONNECTING:
        done = ConnectNamedPipe(instance->pipe, &instance->operation);
        if (!done && GetLastError() == ERROR_PIPE_CONNECTED) {
            instance->operation.Internal = 0;
            done = SetEvent(event);
        }
        break;
    case READING:
        done = ReadFile(instance->pipe, instance->request, SIZE, NULL, &instance->operation);
        break;
    case WRITING:
        done = WriteFile(instance->pipe, answer, sizeof answer, NULL, &instance->operation);
        break;
    }
    return done || GetLastError() == ERROR_IO_PENDING;
}

static void go_on(Instance *instance, BOOL fine)
{
    if (fine) {
        instance->phase = instance->phase == READING ? WRITING : READING;
        fine = begin(instance);
    }
    while (!fine) {
        DisconnectNamedPipe(instance->pipe);
        instance->phase = CONNECTING;
        fine = begin(instance);
    }
}

int main(int argc, char **argv)
{
    HANDLE events[COUNT];
    int i;

    if (argc != 2) return 2;
    for (i = 0; i < COUNT; i++) {
        Instance *instance = &instances[i];
        instance->pipe = CreateNamedPipeA(argv[1], PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED,
                                          PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE, COUNT, SIZE,
                                          SIZE, 5000, NULL);
        if (instance->pipe == INVALID_HANDLE_VALUE) return 3;
        events[i] = instance->operation.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL);
        instance->phase = CONNECTING;
        if (!begin(instance)) return 4;
    }
    for (;;) {
        DWORD done, index = WaitForMultipleObjects(COUNT, events, FALSE, INFINITE);
        Instance *instance;
        if (index >= COUNT) return 5;
        instance = &instances[index];
        go_on(instance, GetOverlappedResult(instance->pipe, &instance->operation, &done, FALSE));
    }
}
