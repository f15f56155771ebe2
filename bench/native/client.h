/* What the loads share: the clock, memory, and a connection to a pipe. */

#ifndef CLIENT_H
#define CLIENT_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#define STATUS_IN_FLIGHT 0x103
#define STATUS_MORE_DATA 0x80000005
#define NEVER INFINITY

/* Milliseconds. */
static inline double now(void)
{
    static LARGE_INTEGER frequency;
    LARGE_INTEGER counter;
    if (frequency.QuadPart == 0) QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&counter);
    return 1000.0 * (double)counter.QuadPart / (double)frequency.QuadPart;
}

static inline void *allocate(void *memory, size_t bytes)
{
    memory = realloc(memory, bytes);
    if (memory == NULL) {
        fprintf(stderr, "Out of memory\n");
        exit(1);
    }
    return memory;
}

/* Whether an operation is over; Windows writes its status behind the compiler's back. */
static inline BOOL over(const OVERLAPPED *operation)
{
    return *(volatile const ULONG_PTR *)&operation->Internal != STATUS_IN_FLIGHT;
}

static inline double processor_ms(void)
{
    FILETIME created, exited, kernel, user;
    GetProcessTimes(GetCurrentProcess(), &created, &exited, &kernel, &user);
    ULONGLONG hundreds = ((ULONGLONG)kernel.dwHighDateTime << 32) + kernel.dwLowDateTime +
                         ((ULONGLONG)user.dwHighDateTime << 32) + user.dwLowDateTime;
    return (double)hundreds / 10000.0;
}

/* Windows' timers tick at 64 Hz otherwise. */
static inline void refine_timers(void)
{
    HMODULE winmm = LoadLibraryA("winmm.dll");
    UINT(WINAPI * begin_period)(UINT) =
        winmm == NULL ? NULL : (UINT(WINAPI *)(UINT))(void *)GetProcAddress(winmm, "timeBeginPeriod");
    if (begin_period != NULL) begin_period(1);
}

/* Opens the pipe as soon as an instance of it is free; INVALID_HANDLE_VALUE if none is in time. */
static inline HANDLE open_pipe(const char *path, DWORD flags, double deadline)
{
    for (;;) {
        HANDLE pipe = CreateFileA(path, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, flags,
                                  NULL);
        if (pipe != INVALID_HANDLE_VALUE) return pipe;
        DWORD error = GetLastError();
        BOOL later = error == ERROR_PIPE_BUSY || error == ERROR_FILE_NOT_FOUND;
        if (!later || now() > deadline) {
            SetLastError(error);
            return INVALID_HANDLE_VALUE;
        }
        Sleep(1);
    }
}

static inline int ascending(const void *a, const void *b)
{
    float left = *(const float *)a, right = *(const float *)b;
    return (left > right) - (left < right);
}

/* Of figures in ascending order. */
static inline double percentile(const float *figures, size_t count, double share)
{
    if (count == 0) return 0;
    size_t rank = (size_t)ceil(share * (double)count);
    return figures[rank == 0 ? 0 : rank - 1];
}

#endif
