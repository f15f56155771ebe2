/* Subscribers of a server that sends one message to all of them whenever one asks it to. Each is sent
 * one message when it comes, by which it knows that it is expected.
 *
 * Arguments: the pipe; how many subscribers; bytes of a message; how many pushes to warm up, and to
 * measure; milliseconds to connect within.
 *
 * Result: one line of JSON, with the microseconds of each push from the request to the first and to
 * the last subscriber's message. */

#include "client.h"

/* How long a message is waited for. */
#define PATIENCE_MS 10000.0

typedef struct {
    HANDLE pipe;
    OVERLAPPED read;
    DWORD received;
    unsigned char *buffer;
} Subscriber;

static Subscriber *subscribers;
static int count;
static DWORD size;
static HANDLE event;
static const char *failure;
static DWORD failure_error;

static BOOL failed(const char *call, DWORD error)
{
    failure = call;
    failure_error = error;
    return FALSE;
}

/* Asks for the rest of the message. */
static BOOL read_on(Subscriber *subscriber)
{
    memset(&subscriber->read, 0, sizeof subscriber->read);
    subscriber->read.hEvent = event;
    if (ReadFile(subscriber->pipe, subscriber->buffer + subscriber->received,
                 size - subscriber->received, NULL, &subscriber->read)) return TRUE;
    DWORD error = GetLastError();
    return error == ERROR_IO_PENDING || failed("ReadFile", error);
}

/* Takes what was read, if it was. Whether the message is whole. */
static BOOL take(Subscriber *subscriber)
{
    if (subscriber->received == size) return TRUE;
    if (!over(&subscriber->read)) return FALSE;
    DWORD status = (DWORD)subscriber->read.Internal;
    if (status != 0) return failed("ReadFile", status);
    subscriber->received += (DWORD)subscriber->read.InternalHigh;
    return subscriber->received == size || (read_on(subscriber) && FALSE);
}

/* Waits until each subscriber has the message, and says when the first one had it. */
static BOOL all_have_it(double *first)
{
    double until = now() + PATIENCE_MS;
    int had = 0;
    for (;;) {
        int have = 0;
        /* Whatever completes after this makes the wait return. */
        ResetEvent(event);
        for (int i = 0; i < count; i++) have += take(&subscribers[i]);
        if (failure != NULL) return FALSE;
        if (had == 0 && have > 0) *first = now();
        if (have == count) return TRUE;
        if (now() > until) return failed("push", WAIT_TIMEOUT);
        if (have == had) WaitForSingleObject(event, 100);
        had = have;
    }
}

static BOOL expect_all(void)
{
    for (int i = 0; i < count; i++) {
        subscribers[i].received = 0;
        if (!read_on(&subscribers[i])) return FALSE;
    }
    return TRUE;
}

static BOOL connect_all(const char *path, int wanted, double deadline)
{
    for (; count < wanted; count++) {
        Subscriber *subscriber = &subscribers[count];
        subscriber->pipe = open_pipe(path, FILE_FLAG_OVERLAPPED, deadline);
        if (subscriber->pipe == INVALID_HANDLE_VALUE) return failed("CreateFile", GetLastError());
        subscriber->buffer = allocate(NULL, size);
    }
    return TRUE;
}

/* One of them asks, in turn. */
static BOOL ask(int pusher, const void *message)
{
    OVERLAPPED write = { 0 };
    DWORD bytes;
    HANDLE own = CreateEventA(NULL, TRUE, FALSE, NULL);
    write.hEvent = own;
    BOOL fine = WriteFile(subscribers[pusher].pipe, message, size, NULL, &write) ||
                (GetLastError() == ERROR_IO_PENDING &&
                 GetOverlappedResult(subscribers[pusher].pipe, &write, &bytes, TRUE));
    if (!fine) failed("WriteFile", GetLastError());
    CloseHandle(own);
    return fine;
}

int main(int argc, char **argv)
{
    if (argc != 7) return 2;
    int wanted = atoi(argv[2]);
    size = strtoul(argv[3], NULL, 10);
    int warm_up = atoi(argv[4]), pushes = atoi(argv[5]);
    double deadline = now() + atof(argv[6]), first = 0;

    refine_timers();
    event = CreateEventA(NULL, TRUE, FALSE, NULL);
    subscribers = allocate(NULL, (size_t)wanted * sizeof *subscribers);
    memset(subscribers, 0, (size_t)wanted * sizeof *subscribers);
    void *message = allocate(NULL, size);
    memset(message, 'x', size);
    double *firsts = allocate(NULL, (size_t)(pushes + 1) * sizeof *firsts);
    double *lasts = allocate(NULL, (size_t)(pushes + 1) * sizeof *lasts);

    BOOL fine = connect_all(argv[1], wanted, deadline) && expect_all() && all_have_it(&first);
    int done = 0;
    for (int push = -warm_up; fine && push < pushes; push++) {
        fine = expect_all();
        double began = now();
        fine = fine && ask((push + warm_up) % count, message) && all_have_it(&first);
        if (!fine || push < 0) continue;
        firsts[done] = 1000.0 * (first - began);
        lasts[done++] = 1000.0 * (now() - began);
    }
    printf("{\"connected\":%d,\"failures\":%d,", count, failure != NULL);
    if (failure != NULL) printf("\"failure\":\"%s: %#lx\",", failure, failure_error);
    printf("\"first\":[");
    for (int i = 0; i < done; i++) printf("%s%.1f", i == 0 ? "" : ",", firsts[i]);
    printf("],\"last\":[");
    for (int i = 0; i < done; i++) printf("%s%.1f", i == 0 ? "" : ",", lasts[i]);
    printf("]}\n");
    return 0;
}
