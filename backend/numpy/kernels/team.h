/* A team of threads for one job at a time. A job is a row of stages; a stage has parts, which may run at once, and all of
   them are done before the next stage begins. */
#ifndef TEAM_H
#define TEAM_H
#include <stdint.h>

enum { MOST_THREADS = 64 };

typedef struct Job {
    /* Set up the next stage; the number of its parts, at most `threads`, or 0 at the end. By one thread at a time. */
    int64_t (*next_stage)(struct Job *, int64_t threads);
    void (*run_part)(struct Job *, int64_t part, int64_t parts, void *scratch);
    int64_t scratch_bytes, threads; /* what each thread needs; how many threads may take part */
} Job;

/* Do a job, to its end. 0, or -1 without having begun where scratch memory cannot be had. Whoever calls while a job is
   under way has theirs done on their own thread alone, so nobody waits for a job that is not theirs. */
int team_do(Job *job);

/* Have scratch memory for jobs of so many threads that need so many bytes each, with its pages touched: it is there before
   the first of them, which takes none. Where it cannot be had, or a job is under way, the next job sees to it. */
void team_reserve(int64_t bytes, int64_t threads);

/* The bytes of scratch memory that all threads have. */
int64_t team_scratch_bytes(void);

/* How many threads a job is given now: fewer than were asked for after others kept them from their cores. */
int64_t team_threads(void);
#endif
