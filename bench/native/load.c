/* The load: clients of an echo server in closed loops, shared out among a few threads.
 *
 * It has to be faster than any server, so it makes no call but the two submissions of an exchange:
 * what has completed is seen in the OVERLAPPEDs, and a thread waits only when nothing has. Replies
 * are counted in bytes, since servers of byte pipes may send them in pieces.
 *
 * Arguments: the pipe; how many clients; bytes of a message; milliseconds to warm up and to measure;
 * milliseconds that a client rests after each reply; milliseconds to connect within; what a message
 * is, see protocol.h. With nothing to measure, the clients make one exchange each and then stay, until
 * stdin ends.
 *
 * Result: one line of JSON. */

#include "client.h"
#include "protocol.h"

/* How long the last replies are waited for. */
#define DRAIN_MS 2000.0
/* As many as keep the servers busy; more only get into each other's way. */
#define MOST_THREADS 2

typedef enum { RESTING, EXCHANGING, FAILED } Phase;

typedef struct {
    HANDLE pipe;
    OVERLAPPED read, write;
    /* Whether a reply is asked for; whether Windows has the read, and the write. */
    BOOL wanting, reading, writing;
    Phase phase;
    DWORD received;
    /* When the request was sent; when the next one is due. */
    double began, due;
    unsigned counted;
    char *reply;
} Client;

/* What one thread drives, and what came of it. */
typedef struct {
    Client *clients;
    int count;
    HANDLE event;
    float *latencies;
    size_t measured, capacity, all;
    int failures;
    DWORD first_error;
    const char *first_failure;
} Team;

static DWORD size;
static double rest;
static unsigned char *message;
static Protocol protocol;
/* What is written, which holds the message, and its length; bytes of a reply at most. */
static char *request;
static DWORD request_length, longest_reply;
static double measures_from = NEVER, measures_until = NEVER;

static void note_failure(Team *team, const char *call, DWORD error)
{
    if (team->failures++ > 0) return;
    team->first_failure = call;
    team->first_error = error;
}

static void failed(Team *team, Client *client, const char *call, DWORD error)
{
    client->phase = FAILED;
    client->wanting = client->reading = client->writing = FALSE;
    note_failure(team, call, error);
}

static void record(Team *team, Client *client, double ended)
{
    team->all++;
    if (ended < measures_from || ended >= measures_until) return;
    if (team->measured == team->capacity) {
        team->capacity = team->capacity == 0 ? 4096 : 2 * team->capacity;
        team->latencies = allocate(team->latencies, team->capacity * sizeof *team->latencies);
    }
    team->latencies[team->measured++] = (float)(1000.0 * (ended - client->began));
    client->counted++;
}

static void received(Team *team, Client *client, DWORD bytes)
{
    client->received += bytes;
    int verdict = judge(protocol, client->reply, client->received, message, size);
    if (verdict == 0) {
        client->wanting = TRUE;
        return;
    }
    if (verdict < 0) {
        failed(team, client, "compare", 0);
        return;
    }
    client->phase = RESTING;
    double ended = now();
    record(team, client, ended);
    client->due = ended + rest;
}

/* Asks for the reply in the sweep after the request, when it may be there. */
static void read_on(Team *team, Client *client)
{
    HANDLE keep = client->read.hEvent;
    memset(&client->read, 0, sizeof client->read);
    client->read.hEvent = keep;
    client->wanting = FALSE;
    client->reading = TRUE;
    if (ReadFile(client->pipe, client->reply + client->received, longest_reply - client->received,
                 NULL, &client->read)) return;
    DWORD error = GetLastError();
    if (error == ERROR_MORE_DATA) client->read.Internal = STATUS_MORE_DATA;
    else if (error != ERROR_IO_PENDING) failed(team, client, "ReadFile", error);
}

static void begin(Team *team, Client *client)
{
    HANDLE keep = client->write.hEvent;
    memset(&client->write, 0, sizeof client->write);
    client->write.hEvent = keep;
    client->phase = EXCHANGING;
    client->received = 0;
    client->began = now();
    if (!WriteFile(client->pipe, request, request_length, NULL, &client->write)) {
        DWORD error = GetLastError();
        if (error != ERROR_IO_PENDING) {
            failed(team, client, "WriteFile", error);
            return;
        }
        client->writing = TRUE;
    }
    client->wanting = TRUE;
}

/* Goes on with a client whose operations are over, if it is to. */
static BOOL advance(Team *team, Client *client, double time, BOOL begins)
{
    BOOL moved = FALSE;
    if (client->writing && over(&client->write)) {
        client->writing = FALSE;
        moved = TRUE;
        if (client->write.Internal != 0) failed(team, client, "WriteFile", client->write.Internal);
    }
    if (client->wanting) {
        read_on(team, client);
        moved = TRUE;
    }
    if (client->reading && over(&client->read)) {
        ULONG_PTR status = client->read.Internal & 0xffffffff;
        client->reading = FALSE;
        moved = TRUE;
        if (status == 0 || status == STATUS_MORE_DATA) received(team, client, client->read.InternalHigh);
        else failed(team, client, "ReadFile", status);
    }
    if (begins && client->phase == RESTING && !client->writing && client->due <= time) {
        begin(team, client);
        moved = TRUE;
    }
    return moved;
}

static void drive(Team *team, double until, BOOL begins)
{
    for (double time = now(); time < until; time = now()) {
        BOOL moved = FALSE;
        double next = until;
        int open = 0;
        for (int i = 0; i < team->count; i++) {
            Client *client = &team->clients[i];
            moved |= advance(team, client, time, begins);
            open += client->phase == EXCHANGING;
            if (begins && client->phase == RESTING && client->due < next) next = client->due;
        }
        if (!begins && open == 0) return;
        if (moved) continue;
        /* Whatever completes after this makes the wait return, and what has before is seen here. */
        ResetEvent(team->event);
        for (int i = 0; i < team->count && !moved; i++) {
            Client *client = &team->clients[i];
            moved = (client->reading && over(&client->read)) ||
                    (client->writing && over(&client->write));
        }
        if (moved) continue;
        double pause = next - now();
        if (pause > 0) WaitForSingleObject(team->event, (DWORD)ceil(pause));
    }
}

/* Waits for the last replies, and takes note of those that do not come. */
static void drain(Team *team)
{
    drive(team, now() + DRAIN_MS, FALSE);
    for (int i = 0; i < team->count; i++) {
        Client *client = &team->clients[i];
        if (client->phase == EXCHANGING) failed(team, client, "reply", WAIT_TIMEOUT);
    }
}

static BOOL connect_one(Team *team, Client *client, const char *path, double deadline)
{
    client->pipe = open_pipe(path, FILE_FLAG_OVERLAPPED, deadline);
    if (client->pipe == INVALID_HANDLE_VALUE) {
        note_failure(team, "CreateFile", GetLastError());
        return FALSE;
    }
    client->read.hEvent = client->write.hEvent = team->event;
    client->reply = allocate(NULL, longest_reply);
    return TRUE;
}

/* Adds what came of another team. */
static void merge(Team *into, const Team *team)
{
    size_t measured = into->measured + team->measured;
    into->latencies = allocate(into->latencies, (measured + 1) * sizeof *into->latencies);
    for (size_t i = 0; i < team->measured; i++)
        into->latencies[into->measured + i] = team->latencies[i];
    into->measured = into->capacity = measured;
    into->all += team->all;
    if (into->failures == 0) {
        into->first_failure = team->first_failure;
        into->first_error = team->first_error;
    }
    into->failures += team->failures;
}

static void report(Team *teams, int count, double seconds, double processor)
{
    Team *all = &teams[0];
    for (int i = 1; i < count; i++) merge(all, &teams[i]);
    qsort(all->latencies, all->measured, sizeof *all->latencies, ascending);
    printf("{\"exchanges\":%u,\"seconds\":%.6f,\"p50\":%.1f,\"p99\":%.1f,",
           (unsigned)all->measured, seconds, percentile(all->latencies, all->measured, 0.5),
           percentile(all->latencies, all->measured, 0.99));
    printf("\"processorMs\":%.1f,\"all\":%u,\"failures\":%d,", processor, (unsigned)all->all,
           all->failures);
    if (all->failures > 0)
        printf("\"failure\":\"%s: %#lx\",", all->first_failure, all->first_error);
    const char *separator = "";
    int connected = 0;
    printf("\"counts\":[");
    for (int t = 0; t < count; t++) {
        for (int i = 0; i < teams[t].count; i++) {
            printf("%s%u", separator, teams[t].clients[i].counted);
            separator = ",";
        }
        connected += teams[t].count;
    }
    printf("],\"connected\":%d}\n", connected);
    fflush(stdout);
}

/* What each client sends, and how long a reply to it may be. */
static void make_message(void)
{
    message = allocate(NULL, size);
    for (DWORD i = 0; i < size; i++)
        message[i] = protocol == ECHO ? (unsigned char)(i * 31 + i / 251)
                                      : (unsigned char)('a' + i % 26);
    if (protocol == LINES) message[size - 1] = '\n';
    request = allocate(NULL, size + OVERHEAD);
    request_length = make_request(protocol, message, size, request);
    longest_reply = protocol <= LINES ? size : size + OVERHEAD;
}

/* Drives one team from the beginning to the end. */
static DWORD WINAPI work(void *argument)
{
    Team *team = argument;
    drive(team, measures_from, TRUE);
    drive(team, measures_until, TRUE);
    drain(team);
    return 0;
}

/* One exchange each, and then silence until stdin ends. */
static void stay(Team *team)
{
    double began = measures_from = now();
    rest = NEVER;
    for (int i = 0; i < team->count; i++) begin(team, &team->clients[i]);
    drain(team);
    report(team, 1, (now() - began) / 1000.0, processor_ms());
    while (getchar() != EOF) continue;
}

int main(int argc, char **argv)
{
    if (argc != 9) return 2;
    protocol = protocol_of(argv[8]);
    int wanted = atoi(argv[2]);
    size = strtoul(argv[3], NULL, 10);
    double warm_up = atof(argv[4]), measure = atof(argv[5]);
    rest = atof(argv[6]);
    double deadline = now() + atof(argv[7]);

    refine_timers();
    make_message();

    Team teams[MOST_THREADS] = { 0 };
    HANDLE threads[MOST_THREADS];
    int count = measure == 0 || wanted < MOST_THREADS ? 1 : MOST_THREADS;
    for (int t = 0; t < count; t++) {
        Team *team = &teams[t];
        int share = wanted * (t + 1) / count - wanted * t / count;
        team->event = CreateEventA(NULL, TRUE, FALSE, NULL);
        team->clients = allocate(NULL, (size_t)share * sizeof *team->clients);
        memset(team->clients, 0, (size_t)share * sizeof *team->clients);
        while (team->count < share &&
               connect_one(team, &team->clients[team->count], argv[1], deadline)) team->count++;
    }
    if (measure == 0) {
        stay(teams);
        return 0;
    }
    double began = now();
    measures_from = began + warm_up;
    measures_until = measures_from + measure;
    for (int t = 0, place = 0; t < count; t++) {
        for (int i = 0; i < teams[t].count; i++)
            teams[t].clients[i].due = began + rest * place++ / wanted;
    }
    for (int t = 1; t < count; t++) {
        threads[t] = CreateThread(NULL, 0, work, &teams[t], 0, NULL);
        if (threads[t] == NULL) return 1;
    }

    drive(&teams[0], measures_from, TRUE);
    double processor = processor_ms();
    drive(&teams[0], measures_until, TRUE);
    processor = processor_ms() - processor;
    drain(&teams[0]);
    for (int t = 1; t < count; t++) WaitForSingleObject(threads[t], INFINITE);
    report(teams, count, measure / 1000.0, processor);
    return 0;
}
