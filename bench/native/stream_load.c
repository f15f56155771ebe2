/* The other end of every server of streams: writes bytes as fast as they are taken, or reads them
 * and compares them with what was to come, or both. Like the load of exchanges, it makes no calls
 * but the reads and writes themselves, unless there is nothing to do.
 *
 * Arguments: the pipe; how many connections; bytes of a chunk that is written, a power of two;
 * "up", "down" or "both"; milliseconds to warm up, to measure, and within which all connections are
 * made and bytes flow. With nothing to measure, the connections are silent after their first bytes,
 * until stdin ends.
 *
 * Result: one line of JSON. */

#include "client.h"
#include "stream.h"

/* Bytes at either end of what is read that are compared. */
#define SAMPLE 64

typedef struct {
    HANDLE pipe;
    OVERLAPPED read, write;
    /* Whether Windows has the read, and the write. */
    BOOL reading, writing, failed;
    /* Whether bytes have gone either way. */
    BOOL has_read, has_written;
    /* Where in the chunk the next byte stands. */
    size_t position;
    unsigned char *buffer;
} Connection;

static Connection *connections;
static int count;
static HANDLE event;
static Header header;
static DWORD chunk;
/* A chunk, and as much more as is read at once. */
static unsigned char *pattern;
static double measures_from = NEVER, measures_until = NEVER;
/* Bytes while it measures, and of all its time. */
static ULONGLONG up, down, all;
static int failures;
static const char *first_failure;
static DWORD first_error;

static void failed(Connection *connection, const char *call, DWORD error)
{
    connection->failed = TRUE;
    connection->reading = connection->writing = FALSE;
    if (failures++ > 0) return;
    first_failure = call;
    first_error = error;
}

static void moved(ULONGLONG *total, ULONGLONG bytes, double time)
{
    all += bytes;
    if (time >= measures_from && time < measures_until) *total += bytes;
}

/* Whether the bytes are those that were to come. Their ends tell: where one is missing or too many,
 * all that follow stand elsewhere. */
static BOOL is_expected(const Connection *connection, size_t bytes)
{
    size_t sample = bytes < SAMPLE ? bytes : SAMPLE;
    const unsigned char *expected = pattern + connection->position;
    return memcmp(connection->buffer, expected, sample) == 0 &&
           memcmp(connection->buffer + bytes - sample, expected + bytes - sample, sample) == 0;
}

static void received(Connection *connection, double time)
{
    connection->reading = FALSE;
    DWORD status = (DWORD)connection->read.Internal;
    size_t bytes = connection->read.InternalHigh;
    if (status != 0 && status != STATUS_MORE_DATA) {
        failed(connection, "ReadFile", status);
    } else if (!is_expected(connection, bytes)) {
        failed(connection, "compare", 0);
    } else {
        connection->position = (connection->position + bytes) % chunk;
        connection->has_read = TRUE;
        moved(&down, bytes, time);
    }
}

static void sent(Connection *connection, double time)
{
    connection->writing = FALSE;
    DWORD status = (DWORD)connection->write.Internal;
    if (status != 0) {
        failed(connection, "WriteFile", status);
    } else {
        connection->has_written = TRUE;
        moved(&up, connection->write.InternalHigh, time);
    }
}

static void prepare(OVERLAPPED *operation)
{
    memset(operation, 0, sizeof *operation);
    operation->hEvent = event;
}

static void read_on(Connection *connection)
{
    prepare(&connection->read);
    connection->reading = TRUE;
    if (ReadFile(connection->pipe, connection->buffer, LONGEST, NULL, &connection->read)) return;
    DWORD error = GetLastError();
    if (error == ERROR_MORE_DATA) connection->read.Internal = STATUS_MORE_DATA;
    else if (error != ERROR_IO_PENDING) failed(connection, "ReadFile", error);
}

static void write_on(Connection *connection, const void *bytes, DWORD length)
{
    prepare(&connection->write);
    connection->writing = TRUE;
    if (WriteFile(connection->pipe, bytes, length, NULL, &connection->write)) return;
    DWORD error = GetLastError();
    if (error != ERROR_IO_PENDING) failed(connection, "WriteFile", error);
}

static BOOL has_news(const Connection *connection)
{
    return (connection->reading && over(&connection->read)) ||
           (connection->writing && over(&connection->write));
}

/* Takes what is over, and goes on. Whether anything was. */
static BOOL advance(Connection *connection, double time)
{
    if (connection->failed || !has_news(connection)) return FALSE;
    if (connection->reading && over(&connection->read)) {
        received(connection, time);
        if (!connection->failed) read_on(connection);
    }
    if (connection->writing && over(&connection->write)) {
        sent(connection, time);
        if (!connection->failed) write_on(connection, pattern, chunk);
    }
    return TRUE;
}

static void drive(double until)
{
    for (double time = now(); time < until; time = now()) {
        BOOL news = FALSE;
        for (int i = 0; i < count; i++) news |= advance(&connections[i], time);
        /* Each submission resets the event, so what has completed until the last one is seen by the
         * next sweep, and whatever completes after it makes the wait return. */
        double pause = until - now();
        if (!news && pause > 0) WaitForSingleObject(event, (DWORD)ceil(pause));
    }
}

/* Whether bytes go every way that they are to go. */
static BOOL flows(const Connection *connection)
{
    return (connection->has_read || !goes_down(header)) && (connection->has_written || !goes_up(header));
}

/* Drives until bytes flow over all connections, and takes note of those over which none do. */
static void start(double deadline)
{
    int flowing = 0;
    while (flowing < count && failures == 0 && now() < deadline) {
        drive(now() + 1);
        flowing = 0;
        for (int i = 0; i < count; i++) flowing += flows(&connections[i]);
    }
    for (int i = 0; i < count; i++) {
        if (!flows(&connections[i])) failed(&connections[i], "start", WAIT_TIMEOUT);
    }
}

/* The first bytes of the connection, which are not counted. */
static BOOL introduce(Connection *connection)
{
    DWORD written;
    write_on(connection, &header, sizeof header);
    if (!connection->failed &&
        !GetOverlappedResult(connection->pipe, &connection->write, &written, TRUE)) {
        failed(connection, "WriteFile", GetLastError());
    }
    connection->writing = FALSE;
    return !connection->failed;
}

static BOOL connect_one(Connection *connection, const char *path, double deadline)
{
    connection->pipe = open_pipe(path, FILE_FLAG_OVERLAPPED, deadline);
    if (connection->pipe == INVALID_HANDLE_VALUE) {
        failed(connection, "CreateFile", GetLastError());
        return FALSE;
    }
    connection->buffer = allocate(NULL, LONGEST);
    return introduce(connection);
}

static void report(double seconds, double processor)
{
    printf("{\"connected\":%d,\"up\":%.0f,\"down\":%.0f,\"all\":%.0f,\"seconds\":%.6f,", count,
           (double)up, (double)down, (double)all, seconds);
    if (failures > 0) printf("\"failure\":\"%s: %#lx\",", first_failure, first_error);
    printf("\"processorMs\":%.1f,\"failures\":%d}\n", processor, failures);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc != 8) return 2;
    int wanted = atoi(argv[2]);
    chunk = strtoul(argv[3], NULL, 10);
    header.direction = (unsigned char)argv[4][0];
    while (1U << header.chunk_bits < chunk) header.chunk_bits++;
    double warm_up = atof(argv[5]), measure = atof(argv[6]);
    double deadline = now() + atof(argv[7]);
    if (chunk == 0 || chunk > LONGEST || (chunk & (chunk - 1)) != 0) return 2;

    refine_timers();
    pattern = allocate(NULL, chunk + LONGEST);
    fill(pattern, chunk + LONGEST, chunk);
    event = CreateEventA(NULL, FALSE, FALSE, NULL);
    connections = allocate(NULL, (size_t)wanted * sizeof *connections);
    memset(connections, 0, (size_t)wanted * sizeof *connections);
    /* The silent ones say that no bytes go either way. */
    if (measure == 0) header.direction = 's';
    while (count < wanted && connect_one(&connections[count], argv[1], deadline)) count++;
    if (measure == 0) {
        report(0, processor_ms());
        while (getchar() != EOF) continue;
        return 0;
    }
    for (int i = 0; i < count; i++) {
        if (goes_down(header)) read_on(&connections[i]);
        if (goes_up(header)) write_on(&connections[i], pattern, chunk);
    }
    start(deadline);
    measures_from = now() + warm_up;
    measures_until = measures_from + measure;
    drive(measures_from);
    double processor = processor_ms();
    drive(measures_until);
    report(measure / 1000.0, processor_ms() - processor);
    return 0;
}
