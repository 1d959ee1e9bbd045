/* A program: records that the team runs from end to end. */
#ifndef PROGRAM_H
#define PROGRAM_H
#include "operations.h"

typedef struct {
    char *address;
    int64_t bytes, writable;
} Base;

/* What a call is given. `bases[0]` is where addresses count from in base 0: NULL, of any bytes. */
typedef struct {
    const Operation *operations;
    int64_t n_operations, first; /* where to begin */
    const Base *bases;
    int64_t n_bases, value_bits, threads;
    double rate, momentum, seconds; /* after so many, the call ends with the operation under way */
    RuleNumbers rule;
    uint64_t seed, step; /* the key and the count of dropout's masks */
} Call;

#define NO_MEMORY INT64_MIN

/* Run operations from `first` on; the number of the next one to run, `n_operations` at the end. Or -1 - the number of one
   that met a number which is not finite: nothing after it was begun. NO_MEMORY before anything was done. */
int64_t run_program(const Call *call);

/* Whether every record is what its kind asks for, inside its bases. The number of the first that is not, or
   `n_operations`; `*array` becomes the slot, or -1 where another field is wrong. */
int64_t check_program(const Call *call, int64_t *array);

/* A record with its addresses resolved. */
Step resolved(const Operation *operation, const Base *bases);
#endif
