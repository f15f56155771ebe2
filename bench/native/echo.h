/* What the servers in C share: an instance of the pipe, and memory for its messages. */

#ifndef ECHO_H
#define ECHO_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

/* Bytes that Windows holds in each direction, as in the servers that are compared. */
#define QUOTA 65536

typedef enum { CONNECTING, READING, WRITING } Phase;

typedef struct {
    HANDLE pipe;
    OVERLAPPED operation;
    Phase phase;
    char *message;
    DWORD length;
} Instance;

static Instance *instances;
/* How many there are, and how long a message may be. */
static DWORD count, longest;

static void give_up(const char *call)
{
    fprintf(stderr, "%s failed with error %lu\n", call, GetLastError());
    exit(1);
}

/* Takes the arguments of every server: the pipe, how many instances, bytes of a message at most. */
static void create_instances(int argc, char **argv)
{
    if (argc != 4) exit(2);
    count = strtoul(argv[2], NULL, 10);
    longest = strtoul(argv[3], NULL, 10);
    instances = calloc(count, sizeof *instances);
    if (instances == NULL) give_up("calloc");
    for (DWORD i = 0; i < count; i++) {
        instances[i].pipe = CreateNamedPipeA(
            argv[1], PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED,
            PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE | PIPE_WAIT, PIPE_UNLIMITED_INSTANCES, QUOTA,
            QUOTA, 5000, NULL);
        if (instances[i].pipe == INVALID_HANDLE_VALUE) give_up("CreateNamedPipe");
        instances[i].message = malloc(longest);
        if (instances[i].message == NULL) give_up("malloc");
    }
}

/* Submits what the phase is about. TRUE: it is over, and no packet or signal has to be waited for
 * unless the caller wants it so. FALSE: see GetLastError. */
static BOOL submit(Instance *instance)
{
    HANDLE event = instance->operation.hEvent;
    memset(&instance->operation, 0, sizeof instance->operation);
    instance->operation.hEvent = event;
    switch (instance->phase) {
    case CONNECTING:
        return ConnectNamedPipe(instance->pipe, &instance->operation);
    case READING:
        return ReadFile(instance->pipe, instance->message, longest, NULL, &instance->operation);
    default:
        return WriteFile(instance->pipe, instance->message, instance->length, NULL,
                         &instance->operation);
    }
}

/* Makes the step to the next phase, for an operation that moved so many bytes. */
static inline void step(Instance *instance, DWORD bytes)
{
    if (instance->phase == READING) instance->length = bytes;
    instance->phase = instance->phase == READING ? WRITING : READING;
}

static void disconnect(Instance *instance)
{
    DisconnectNamedPipe(instance->pipe);
    instance->phase = CONNECTING;
}

#endif
