/* The team. Parts are claimed one by one, each thread beginning with its own, so a thread that has no core just now costs
   nothing: the others do what it has not begun. Whoever finishes a stage's last part sets up the next stage.

   One word says which stage is under way and how many parts it has; a part is claimed by writing the stage's number to the
   part's own word, which only grows, so a thread that comes late finds everything taken. Threads look at the word for a
   moment and then sleep. One that has come to the caller's core sleeps at once: looking would take the caller's time, and a
   thread that is woken gets a core that is idle. What is computed does not depend on who takes part. */
#include "team.h"
#include "clock.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define PAUSE() _mm_pause()
#elif defined(__aarch64__)
#define PAUSE() __asm__ volatile("yield")
#else
#define PAUSE() ((void)0)
#endif

enum { SPINS = 300, LOOKS = 16 }; /* looks before a thread lets others have its core, and then from clock to clock */
enum { SLOW_WEIGHT = 8, SLOW_ENOUGH = 24 }; /* three slow joins among few others are enough to do with fewer threads */
enum { LEAST_PAGE = 4096 };                 /* the bytes of the smallest page */
static const double SLOW_JOIN = 2e-4, SHORT_REST = 0.02, LONGEST_REST = 1.0, RETRY_HIRING = 1.0; /* seconds */
static const double LOOKING = 2e-4; /* before a thread sleeps: longer than from a step to the next, twice a waking */

typedef struct {
    _Alignas(64) atomic_uint_fast64_t is;
} Word; /* alone in its line of the cache */

static struct {
    Word stage;                 /* number << 8 | parts; no parts: no job is under way */
    Word done;                  /* parts of the stage that are done */
    Word claimed[MOST_THREADS]; /* the last stage in which that part was claimed */
    Word sleeping;              /* workers asleep */
    Word caller_sleeps;
    Job *job;
    void *scratch[MOST_THREADS];
    atomic_int_fast64_t scratch_bytes[MOST_THREADS];
    atomic_int callers_core;    /* where it began its job */
    atomic_int_fast64_t active; /* threads that the job may have parts for; `allowed` is its limit while it rests */
    int64_t hired, allowed, slow_joins;
    double rest_until, rest, hire_again;
    pthread_mutex_t lock;
    pthread_cond_t bell, ended;
    atomic_flag busy;
    int prepared;
} team = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .bell = PTHREAD_COND_INITIALIZER,
          .ended = PTHREAD_COND_INITIALIZER,
          .busy = ATOMIC_FLAG_INIT};

static uint_fast64_t parts_of(uint_fast64_t stage) { return stage & 255; }

/* The number of the core that the thread is on; -1 where the system does not say. */
static int core(void) {
#if defined(__linux__)
    return sched_getcpu();
#else
    return -1;
#endif
}

static int on_callers_core(void) {
    int own = core();
    return own >= 0 && own == atomic_load_explicit(&team.callers_core, memory_order_relaxed);
}

static void ring(pthread_cond_t *bell) {
    pthread_mutex_lock(&team.lock);
    pthread_cond_broadcast(bell);
    pthread_mutex_unlock(&team.lock);
}

/* Begin the next stage, or end the job. */
static void advance(uint_fast64_t stage) {
    int64_t active = atomic_load_explicit(&team.active, memory_order_relaxed);
    uint_fast64_t parts = (uint_fast64_t)team.job->next_stage(team.job, active);
    atomic_store_explicit(&team.done.is, 0, memory_order_relaxed);
    atomic_store(&team.stage.is, ((stage >> 8) + 1) << 8 | parts);
    if (parts > 1 && atomic_load(&team.sleeping.is)) ring(&team.bell);
    if (atomic_load(&team.caller_sleeps.is)) ring(&team.ended);
}

static int claim(uint_fast64_t part, uint_fast64_t number) {
    uint_fast64_t last = atomic_load_explicit(&team.claimed[part].is, memory_order_relaxed);
    return last < number && atomic_compare_exchange_strong(&team.claimed[part].is, &last, number);
}

/* Do what parts of a stage are left, beginning with one's own. */
static void help(uint_fast64_t self, uint_fast64_t stage) {
    uint_fast64_t parts = parts_of(stage);
    for (uint_fast64_t k = 0; k < parts; k++) {
        uint_fast64_t part = (self + k) % parts;
        if (!claim(part, stage >> 8)) continue;
        team.job->run_part(team.job, (int64_t)part, (int64_t)parts, team.scratch[self]);
        if (atomic_fetch_add(&team.done.is, 1) + 1 == parts) advance(stage);
    }
}

/* Whether `stage` is another one than `seen` and has a part for `self`, or, for the caller, is another one at all. */
static int concerns(uint_fast64_t self, uint_fast64_t stage, uint_fast64_t seen) {
    return stage != seen && (self == 0 || parts_of(stage) > self);
}

/* Wait for a stage after `seen`, looking first and then asleep. */
static uint_fast64_t wait_for_stage(uint_fast64_t self, uint_fast64_t seen) {
    uint_fast64_t stage;
    double until = 0;
    for (int64_t looks = 0; until == 0 || looks % LOOKS || seconds_now() < until; looks++) {
        stage = atomic_load_explicit(&team.stage.is, memory_order_acquire);
        if (concerns(self, stage, seen)) return stage;
        if (looks < SPINS) {
            PAUSE();
            continue;
        }
        if (until == 0) until = seconds_now() + LOOKING;
        if (self && looks % LOOKS == 0 && on_callers_core()) break;
        sched_yield();
    }
    Word *sleeping = self == 0 ? &team.caller_sleeps : &team.sleeping;
    pthread_mutex_lock(&team.lock);
    atomic_fetch_add(&sleeping->is, 1);
    while (stage = atomic_load(&team.stage.is), !concerns(self, stage, seen))
        pthread_cond_wait(self == 0 ? &team.ended : &team.bell, &team.lock);
    atomic_fetch_sub(&sleeping->is, 1);
    pthread_mutex_unlock(&team.lock);
    return stage;
}

static void *work(void *number) {
    uint_fast64_t self = (uint_fast64_t)(uintptr_t)number, seen = 0;
    for (;;) {
        seen = wait_for_stage(self, seen);
        help(self, seen);
    }
    return NULL;
}

/* Without workers, in a forked process: threads are not copied, and a lock may have been held. */
static void begin_alone(void) {
    pthread_mutex_init(&team.lock, NULL);
    pthread_cond_init(&team.bell, NULL);
    pthread_cond_init(&team.ended, NULL);
    atomic_store(&team.sleeping.is, 0);
    atomic_store(&team.caller_sleeps.is, 0);
    atomic_store(&team.stage.is, atomic_load(&team.stage.is) >> 8 << 8);
    team.hired = 0;
    team.hire_again = team.rest_until = 0;
    atomic_flag_clear(&team.busy);
}

/* Have `wanted` threads beside the caller's, or as many as there are to be had. Signals are for Python's thread. */
static void hire(int64_t wanted) {
    if (team.hired >= wanted || seconds_now() < team.hire_again) return;
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 1 << 18);
    pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
#if !defined(_WIN32)
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
#endif
    for (; team.hired < wanted; team.hired++) {
        pthread_t thread;
        if (pthread_create(&thread, &small, work, (void *)(uintptr_t)(team.hired + 1))) {
            team.hire_again = seconds_now() + RETRY_HIRING;
            break;
        }
    }
#if !defined(_WIN32)
    pthread_sigmask(SIG_SETMASK, &before, NULL);
#endif
    pthread_attr_destroy(&small);
}

/* Scratch memory for the caller and the workers, which only grows; fewer workers where there is not enough for all.
   Whoever forks meanwhile leaves memory in the table that is there. */
static int64_t reserve(int64_t bytes, int64_t threads) {
    for (int64_t t = 0; t < threads; t++) {
        if (atomic_load(&team.scratch_bytes[t]) >= bytes) continue;
        void *old = team.scratch[t], *more = malloc((size_t)bytes);
        if (!more) return t;
        team.scratch[t] = more;
        atomic_store(&team.scratch_bytes[t], bytes);
        free(old);
    }
    return threads;
}

static int do_alone(Job *job) {
    void *scratch = malloc((size_t)job->scratch_bytes + 1);
    if (!scratch) return -1;
    while (job->next_stage(job, 1)) job->run_part(job, 0, 1, scratch);
    free(scratch);
    return 0;
}

/* After waits for others that did not get a core, do with one fewer for a while, and longer each time. */
static void judge_join(double own, double waited) {
    if (waited <= SLOW_JOIN || waited <= own) {
        team.slow_joins -= team.slow_joins > 0;
        return;
    }
    int64_t active = atomic_load_explicit(&team.active, memory_order_relaxed);
    team.slow_joins += SLOW_WEIGHT;
    if (team.slow_joins < SLOW_ENOUGH || active == 1) return;
    double now = seconds_now();
    team.rest = now < team.rest_until + 4 * team.rest ? 2 * team.rest : SHORT_REST;
    if (team.rest > LONGEST_REST) team.rest = LONGEST_REST;
    team.rest_until = now + team.rest;
    team.allowed = active - 1;
    team.slow_joins = 0;
    atomic_store_explicit(&team.active, active - 1, memory_order_relaxed);
}

/* Whether the team is the caller's now, who lets it go by clearing `busy`. */
static int taken(void) {
    if (atomic_flag_test_and_set(&team.busy)) return 0;
#if !defined(_WIN32)
    if (!team.prepared++) pthread_atfork(NULL, NULL, begin_alone);
#endif
    return 1;
}

void team_reserve(int64_t bytes, int64_t threads) {
    if (!taken()) return;
    threads = reserve(bytes, threads < MOST_THREADS ? threads : MOST_THREADS);
    for (int64_t t = 0; t < threads; t++)
        for (int64_t i = 0; i < bytes; i += LEAST_PAGE) ((volatile char *)team.scratch[t])[i] = 0;
    atomic_flag_clear(&team.busy);
}

int64_t team_scratch_bytes(void) {
    int64_t bytes = 0;
    for (int64_t t = 0; t < MOST_THREADS; t++) bytes += atomic_load(&team.scratch_bytes[t]);
    return bytes;
}

int team_do(Job *job) {
    if (!taken()) return do_alone(job);
    int64_t threads = job->threads < MOST_THREADS ? job->threads : MOST_THREADS;
    hire(threads - 1);
    if (threads > team.hired + 1) threads = team.hired + 1;
    threads = reserve(job->scratch_bytes, threads);
    if (threads == 0) {
        atomic_flag_clear(&team.busy);
        return -1;
    }
    if (threads > team.allowed && seconds_now() < team.rest_until) threads = team.allowed;
    atomic_store_explicit(&team.active, threads, memory_order_relaxed);
    team.job = job;
    atomic_store_explicit(&team.callers_core, core(), memory_order_relaxed);
    advance(atomic_load(&team.stage.is));
    for (;;) {
        uint_fast64_t stage = atomic_load(&team.stage.is);
        if (!parts_of(stage)) break;
        double begun = parts_of(stage) > 1 ? seconds_now() : 0;
        help(0, stage);
        double helped = begun > 0 ? seconds_now() : 0;
        wait_for_stage(0, stage);
        if (begun > 0) judge_join(helped - begun, seconds_now() - helped);
    }
    atomic_flag_clear(&team.busy);
    return 0;
}

int64_t team_threads(void) { return atomic_load(&team.active); }
