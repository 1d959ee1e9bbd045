/* Whether this processor, and its operating system, can run the instructions that this object was compiled with. This
   file is compiled without them. */
#include "level.h"

#if defined(__x86_64__)
#include <cpuid.h>

static int system_saves(unsigned states) {
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & states) == states;
}

int level_runs_here(int level) {
    unsigned a, b, c, d, b7, c7, d7;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    const unsigned fma = 1u << 12, osxsave = 1u << 27, avx = 1u << 28;
    if ((c & (fma | osxsave | avx)) != (fma | osxsave | avx) || !system_saves(0x06)) return 0;
    if (!__get_cpuid_count(7, 0, &a, &b7, &c7, &d7)) return 0;
    const unsigned bmi1 = 1u << 3, avx2 = 1u << 5, bmi2 = 1u << 8;
    if ((b7 & (bmi1 | avx2 | bmi2)) != (bmi1 | avx2 | bmi2)) return 0;
    const unsigned avx512 = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31; /* F, DQ, CD, BW, VL */
    return level < 4 || ((b7 & avx512) == avx512 && system_saves(0xE6));
}
#else
int level_runs_here(int level) { return level == 0; }
#endif
