/* The load: clients of an echo server in closed loops, all on one thread, with one event.
 *
 * It has to be cheaper than any server, so it makes no call but the two submissions of an exchange:
 * what has completed is seen in the OVERLAPPEDs, and it waits only when nothing has. Replies are
 * counted in bytes, since servers of byte pipes may send them in pieces.
 *
 * Arguments: the pipe; how many clients; bytes of a message; milliseconds to warm up and to measure;
 * milliseconds that a client rests after each reply; milliseconds to connect within. With nothing
 * to measure, the clients make one exchange each and then stay, until stdin ends.
 *
 * Result: one line of JSON. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#define STATUS_IN_FLIGHT 0x103
#define STATUS_MORE_DATA 0x80000005
/* How long the last replies are waited for. */
#define DRAIN_MS 2000.0
#define NEVER INFINITY

typedef enum { RESTING, EXCHANGING, FAILED } Phase;

typedef struct {
    HANDLE pipe;
    OVERLAPPED read, write;
    BOOL reading, writing;
    Phase phase;
    DWORD received;
    /* When the request was sent; when the next one is due. */
    double began, due;
    unsigned counted;
    unsigned char *reply;
} Client;

static Client *clients;
static int connected;
static DWORD size;
static double rest;
static unsigned char *message;
static HANDLE event;

static float *latencies;
static size_t measured, capacity, all;
static double measures_from = NEVER, measures_until = NEVER;
static int failures;
static DWORD first_error;
static const char *first_failure;

static double now(void)
{
    static LARGE_INTEGER frequency;
    LARGE_INTEGER counter;
    if (frequency.QuadPart == 0) QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&counter);
    return 1000.0 * (double)counter.QuadPart / (double)frequency.QuadPart;
}

static void *allocate(void *memory, size_t bytes)
{
    memory = realloc(memory, bytes);
    if (memory == NULL) {
        fprintf(stderr, "Out of memory\n");
        exit(1);
    }
    return memory;
}

static void failed(Client *client, const char *call, DWORD error)
{
    client->phase = FAILED;
    client->reading = client->writing = FALSE;
    if (failures++ > 0) return;
    first_failure = call;
    first_error = error;
}

static void record(Client *client, double ended)
{
    if (ended < measures_from || ended >= measures_until) return;
    if (measured == capacity) {
        capacity = capacity == 0 ? 4096 : 2 * capacity;
        latencies = allocate(latencies, capacity * sizeof *latencies);
    }
    latencies[measured++] = (float)(1000.0 * (ended - client->began));
    client->counted++;
}

/* Whether an operation is over; Windows writes its status behind the compiler's back. */
static BOOL over(const OVERLAPPED *operation)
{
    return *(volatile const ULONG_PTR *)&operation->Internal != STATUS_IN_FLIGHT;
}

static void read_on(Client *client);

static void received(Client *client, DWORD bytes)
{
    client->received += bytes;
    if (client->received < size) {
        read_on(client);
        return;
    }
    if (client->received > size || memcmp(client->reply, message, size) != 0) {
        failed(client, "compare", 0);
        return;
    }
    client->phase = RESTING;
    double ended = now();
    all++;
    record(client, ended);
    client->due = ended + rest;
}

/* What is over at once is left to the next sweep, so that nobody is served twice before others. */
static void read_on(Client *client)
{
    HANDLE keep = client->read.hEvent;
    memset(&client->read, 0, sizeof client->read);
    client->read.hEvent = keep;
    client->reading = TRUE;
    if (ReadFile(client->pipe, client->reply + client->received, size - client->received, NULL,
                 &client->read)) return;
    DWORD error = GetLastError();
    if (error == ERROR_MORE_DATA) client->read.Internal = STATUS_MORE_DATA;
    else if (error != ERROR_IO_PENDING) failed(client, "ReadFile", error);
}

static void begin(Client *client)
{
    HANDLE keep = client->write.hEvent;
    memset(&client->write, 0, sizeof client->write);
    client->write.hEvent = keep;
    client->phase = EXCHANGING;
    client->received = 0;
    client->began = now();
    if (!WriteFile(client->pipe, message, size, NULL, &client->write)) {
        DWORD error = GetLastError();
        if (error != ERROR_IO_PENDING) {
            failed(client, "WriteFile", error);
            return;
        }
        client->writing = TRUE;
    }
    read_on(client);
}

/* Goes on with a client whose operations are over, if it is to. */
static BOOL advance(Client *client, double time, BOOL begins)
{
    BOOL moved = FALSE;
    if (client->writing && over(&client->write)) {
        client->writing = FALSE;
        moved = TRUE;
        if (client->write.Internal != 0) failed(client, "WriteFile", client->write.Internal);
    }
    if (client->reading && over(&client->read)) {
        ULONG_PTR status = client->read.Internal & 0xffffffff;
        client->reading = FALSE;
        moved = TRUE;
        if (status == 0 || status == STATUS_MORE_DATA) received(client, client->read.InternalHigh);
        else failed(client, "ReadFile", status);
    }
    if (begins && client->phase == RESTING && !client->writing && client->due <= time) {
        begin(client);
        moved = TRUE;
    }
    return moved;
}

static void drive(double until, BOOL begins)
{
    for (double time = now(); time < until; time = now()) {
        BOOL moved = FALSE;
        double next = until;
        int open = 0;
        for (int i = 0; i < connected; i++) {
            Client *client = &clients[i];
            moved |= advance(client, time, begins);
            open += client->phase == EXCHANGING;
            if (begins && client->phase == RESTING && client->due < next) next = client->due;
        }
        if (!begins && open == 0) return;
        if (moved) continue;
        /* Whatever completes after this makes the wait return, and what has before is seen here. */
        ResetEvent(event);
        for (int i = 0; i < connected && !moved; i++) {
            Client *client = &clients[i];
            moved = (client->reading && over(&client->read)) ||
                    (client->writing && over(&client->write));
        }
        if (moved) continue;
        double pause = next - now();
        if (pause > 0) WaitForSingleObject(event, (DWORD)ceil(pause));
    }
}

static BOOL connect_one(Client *client, const char *path, double deadline)
{
    for (;;) {
        client->pipe = CreateFileA(path, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
                                   FILE_FLAG_OVERLAPPED, NULL);
        if (client->pipe != INVALID_HANDLE_VALUE) break;
        DWORD error = GetLastError();
        if ((error != ERROR_PIPE_BUSY && error != ERROR_FILE_NOT_FOUND) || now() > deadline) {
            if (failures++ == 0) {
                first_failure = "CreateFile";
                first_error = error;
            }
            return FALSE;
        }
        Sleep(1);
    }
    client->read.hEvent = client->write.hEvent = event;
    client->reply = allocate(NULL, size);
    return TRUE;
}

static int ascending(const void *a, const void *b)
{
    float left = *(const float *)a, right = *(const float *)b;
    return (left > right) - (left < right);
}

static double percentile(double share)
{
    if (measured == 0) return 0;
    size_t rank = (size_t)ceil(share * (double)measured);
    return latencies[rank == 0 ? 0 : rank - 1];
}

static double processor_ms(void)
{
    FILETIME created, exited, kernel, user;
    GetProcessTimes(GetCurrentProcess(), &created, &exited, &kernel, &user);
    ULONGLONG hundreds = ((ULONGLONG)kernel.dwHighDateTime << 32) + kernel.dwLowDateTime +
                         ((ULONGLONG)user.dwHighDateTime << 32) + user.dwLowDateTime;
    return (double)hundreds / 10000.0;
}

static void report(double seconds, double processor)
{
    qsort(latencies, measured, sizeof *latencies, ascending);
    printf("{\"connected\":%d,\"exchanges\":%u,\"seconds\":%.6f,\"p50\":%.1f,\"p99\":%.1f,",
           connected, (unsigned)measured, seconds, percentile(0.5), percentile(0.99));
    printf("\"processorMs\":%.1f,\"thread\":%lu,\"all\":%u,\"failures\":%d,", processor,
           GetCurrentThreadId(), (unsigned)all, failures);
    if (failures > 0) printf("\"failure\":\"%s: %#lx\",", first_failure, first_error);
    printf("\"counts\":[");
    for (int i = 0; i < connected; i++) printf(i == 0 ? "%u" : ",%u", clients[i].counted);
    printf("]}\n");
    fflush(stdout);
}

/* Windows' timers tick at 64 Hz otherwise. */
static void refine_timers(void)
{
    HMODULE winmm = LoadLibraryA("winmm.dll");
    UINT(WINAPI * begin_period)(UINT) =
        winmm == NULL ? NULL : (UINT(WINAPI *)(UINT))(void *)GetProcAddress(winmm, "timeBeginPeriod");
    if (begin_period != NULL) begin_period(1);
}

int main(int argc, char **argv)
{
    if (argc != 8) return 2;
    int wanted = atoi(argv[2]);
    size = strtoul(argv[3], NULL, 10);
    double warm_up = atof(argv[4]), measure = atof(argv[5]);
    rest = atof(argv[6]);
    double deadline = now() + atof(argv[7]);

    refine_timers();
    event = CreateEventA(NULL, TRUE, FALSE, NULL);
    message = allocate(NULL, size);
    for (DWORD i = 0; i < size; i++) message[i] = (unsigned char)(i * 31 + i / 251);
    clients = allocate(NULL, (size_t)wanted * sizeof *clients);
    memset(clients, 0, (size_t)wanted * sizeof *clients);
    while (connected < wanted && connect_one(&clients[connected], argv[1], deadline)) connected++;

    double began = now();
    for (int i = 0; i < connected; i++) clients[i].due = began + rest * i / connected;
    if (measure == 0) {
        measures_from = began;
        rest = NEVER;
        for (int i = 0; i < connected; i++) begin(&clients[i]);
        drive(now() + DRAIN_MS, FALSE);
        report((now() - began) / 1000.0, processor_ms());
        while (getchar() != EOF) continue;
        return 0;
    }
    drive(began + warm_up, TRUE);
    double processor = processor_ms();
    measures_from = now();
    measures_until = measures_from + measure;
    drive(measures_until, TRUE);
    processor = processor_ms() - processor;
    drive(now() + DRAIN_MS, FALSE);
    report(measure / 1000.0, processor);
    return 0;
}
