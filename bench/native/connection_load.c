/* Clients that come, make one exchange and leave, again and again: one thread each, with calls that
 * block.
 *
 * Arguments: those of load.c; there are no rests, and no silent clients.
 *
 * Result: that of load.c, with whole visits in the place of exchanges. */

#include "client.h"

typedef struct {
    float *latencies;
    size_t measured, capacity, all;
    const char *failure;
    DWORD error;
} Client;

static const char *path;
static DWORD size;
static unsigned char *message;
static double deadline, measures_from, measures_until;

static BOOL failed(Client *client, const char *call, DWORD error)
{
    client->failure = call;
    client->error = error;
    return FALSE;
}

static HANDLE open(double until)
{
    for (;;) {
        HANDLE pipe = CreateFileA(path, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
        if (pipe != INVALID_HANDLE_VALUE) return pipe;
        DWORD error = GetLastError();
        if ((error != ERROR_PIPE_BUSY && error != ERROR_FILE_NOT_FOUND) || now() > until) {
            SetLastError(error);
            return INVALID_HANDLE_VALUE;
        }
        /* An instance that is free again is given to one who waits for it. */
        if (error != ERROR_PIPE_BUSY || !WaitNamedPipeA(path, 100)) Sleep(1);
    }
}

static BOOL exchange(Client *client, HANDLE pipe, unsigned char *reply)
{
    DWORD bytes, received = 0;
    if (!WriteFile(pipe, message, size, &bytes, NULL)) {
        return failed(client, "WriteFile", GetLastError());
    }
    while (received < size) {
        if (!ReadFile(pipe, reply + received, size - received, &bytes, NULL) &&
            GetLastError() != ERROR_MORE_DATA) return failed(client, "ReadFile", GetLastError());
        received += bytes;
    }
    return memcmp(reply, message, size) == 0 || failed(client, "compare", 0);
}

static void record(Client *client, double began, double ended)
{
    client->all++;
    if (ended < measures_from || ended >= measures_until) return;
    if (client->measured == client->capacity) {
        client->capacity = client->capacity == 0 ? 4096 : 2 * client->capacity;
        client->latencies =
            allocate(client->latencies, client->capacity * sizeof *client->latencies);
    }
    client->latencies[client->measured++] = (float)(1000.0 * (ended - began));
}

static DWORD WINAPI work(void *argument)
{
    Client *client = argument;
    unsigned char *reply = allocate(NULL, size);
    for (double began = now(); began < measures_until; began = now()) {
        HANDLE pipe = open(client->all == 0 ? deadline : measures_until + 2000);
        if (pipe == INVALID_HANDLE_VALUE) return failed(client, "CreateFile", GetLastError());
        BOOL fine = exchange(client, pipe, reply);
        CloseHandle(pipe);
        if (!fine) return 1;
        record(client, began, now());
    }
    return 0;
}

static void report(Client *clients, int count, double seconds, double processor)
{
    const Client *bad = NULL;
    float *latencies = NULL;
    size_t measured = 0, all = 0;
    int connected = 0, failures = 0;
    for (int i = 0; i < count; i++) {
        const Client *client = &clients[i];
        latencies = allocate(latencies, (measured + client->measured + 1) * sizeof *latencies);
        for (size_t j = 0; j < client->measured; j++)
            latencies[measured + j] = client->latencies[j];
        measured += client->measured;
        all += client->all;
        connected += client->all > 0;
        if (client->failure == NULL) continue;
        failures++;
        bad = client;
    }
    if (measured > 0) qsort(latencies, measured, sizeof *latencies, ascending);
    printf("{\"exchanges\":%u,\"seconds\":%.6f,\"p50\":%.1f,\"p99\":%.1f,", (unsigned)measured,
           seconds, percentile(latencies, measured, 0.5), percentile(latencies, measured, 0.99));
    printf("\"processorMs\":%.1f,\"all\":%u,\"failures\":%d,", processor, (unsigned)all, failures);
    if (bad != NULL) printf("\"failure\":\"%s: %#lx\",", bad->failure, bad->error);
    printf("\"counts\":[");
    for (int i = 0; i < count; i++) printf("%s%u", i == 0 ? "" : ",", (unsigned)clients[i].measured);
    printf("],\"connected\":%d}\n", connected);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc != 8) return 2;
    path = argv[1];
    int count = atoi(argv[2]);
    size = strtoul(argv[3], NULL, 10);
    double warm_up = atof(argv[4]), measure = atof(argv[5]);
    deadline = now() + atof(argv[7]);

    refine_timers();
    message = allocate(NULL, size);
    for (DWORD i = 0; i < size; i++) message[i] = (unsigned char)(i * 31 + i / 251);
    /* The server may still be starting. */
    HANDLE first = open(deadline);
    if (first != INVALID_HANDLE_VALUE) CloseHandle(first);
    Client *clients = allocate(NULL, (size_t)count * sizeof *clients);
    HANDLE *threads = allocate(NULL, (size_t)count * sizeof *threads);
    memset(clients, 0, (size_t)count * sizeof *clients);
    measures_from = now() + warm_up;
    measures_until = measures_from + measure;
    for (int i = 0; i < count; i++) {
        threads[i] = CreateThread(NULL, 0, work, &clients[i], 0, NULL);
        if (threads[i] == NULL) return 1;
    }
    Sleep((DWORD)warm_up);
    double processor = processor_ms();
    for (int i = 0; i < count; i++) WaitForSingleObject(threads[i], INFINITE);
    report(clients, count, measure / 1000.0, processor_ms() - processor);
    return 0;
}
