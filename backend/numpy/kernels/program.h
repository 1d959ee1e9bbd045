/* A program: records that the team runs from end to end. */
#ifndef PROGRAM_H
#define PROGRAM_H
#include "operations.h"

typedef struct {
    char *address;
    int64_t bytes, writable;
} Base;

/* Operations that are done `times` times in a row, two or more, each time on the next rows. `length` of them from `first`
   on are the first time; as many after those are the second one, and what has moved on between the two moves on as much
   from each time to the next. */
typedef struct {
    int64_t first, length, times;
} Repeat;

/* What a call is given. `bases[0]` is where addresses count from in base 0: NULL, of any bytes. `first` is where to
   begin: an operation, and above TIME_BITS which time it is done. Repeats are in order. */
typedef struct {
    const Operation *operations;
    int64_t n_operations, first;
    const Base *bases;
    int64_t n_bases, value_bits, threads;
    double rate, momentum, seconds; /* after so many, the call ends with the operation under way */
    RuleNumbers rule;
    uint64_t seed, step; /* the key and the count of dropout's masks */
    const Repeat *repeats;
    int64_t n_repeats;
} Call;

enum { TIME_BITS = 32 };
#define NO_MEMORY INT64_MIN
#define WRONG_REPEAT INT64_MIN

/* Run operations from `first` on; where to go on, `n_operations` at the end. Or -1 - where a number was met that is not
   finite: nothing after it was begun. NO_MEMORY before anything was done. */
int64_t run_program(const Call *call);

/* Whether every record is what its kind asks for, inside its bases, each time it is done. The number of the first that is
   not, or `n_operations`; `*array` becomes the slot, or -1 where another field is wrong. WRONG_REPEAT where repeats are not
   in order, or not of operations. */
int64_t check_program(const Call *call, int64_t *array);

/* An operation as it is done the `time`th time, from 0 on, where it is `first` the first time and `second` the next. */
Operation moved_on(const Operation *first, const Operation *second, int64_t time);

/* A record with its addresses resolved. */
Step resolved(const Operation *operation, const Base *bases);
#endif
