/* Values and vectors of them: `T` is float or double (VALUE_BITS is 32 or 64), `V` as many as one register holds.

   Everything else is plain loops, which compilers make vectors of; only a tile of a product and a transpose are written
   in vectors, since a compiler's own choice there is several times slower. A processor needs a multiply-add in one
   instruction: without it results would have other bits, so there is no object for such processors. */
#ifndef VECTORS_H
#define VECTORS_H
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>
#define VECTOR_BYTES 64
#define TILE_ROWS 8
#define ON(instruction, kind) _mm512_##instruction##_##kind
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define VECTOR_BYTES 32
#define TILE_ROWS 6
#define ON(instruction, kind) _mm256_##instruction##_##kind
#elif defined(__aarch64__)
#include <arm_neon.h>
#define VECTOR_BYTES 16
#define TILE_ROWS 8
#else
#error "the kernels need AVX2 and FMA, AVX-512 or NEON"
#endif

#define INLINE static inline __attribute__((always_inline))
#define NOT_INLINE static __attribute__((noinline))

#if VALUE_BITS == 32
typedef float T;
typedef uint32_t Bits;
#define EXPONENT 0x7F800000u
#define FMA(a, b, c) __builtin_fmaf(a, b, c)
#define ABS(a) __builtin_fabsf(a)
#define SQRT(a) __builtin_sqrtf(a)
#define CONSTANT(a) a##f
#else
typedef double T;
typedef uint64_t Bits;
#define EXPONENT 0x7FF0000000000000u
#define FMA(a, b, c) __builtin_fma(a, b, c)
#define ABS(a) __builtin_fabs(a)
#define SQRT(a) __builtin_sqrt(a)
#define CONSTANT(a) a
#endif

enum {
    ITEM_BYTES = sizeof(T),
    LANES = VECTOR_BYTES / sizeof(T),
    TILE_COLUMNS = 2 * LANES, /* 8 rows of two vectors fill 16 of 32 registers; 6 rows, 12 of AVX2's 16 */
    LINE_VALUES = 64 / sizeof(T)
};

typedef T V __attribute__((vector_size(VECTOR_BYTES)));
typedef T Unaligned __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(T)), may_alias));

INLINE V load(const T *p) { return *(const Unaligned *)p; }
INLINE void store(T *p, V v) { *(Unaligned *)p = v; }

#if defined(__aarch64__) && VALUE_BITS == 32
INLINE V splat(T x) { return (V)vdupq_n_f32(x); }
INLINE V multiply_add(V a, V b, V c) { return (V)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b); }
#elif defined(__aarch64__)
INLINE V splat(T x) { return (V)vdupq_n_f64(x); }
INLINE V multiply_add(V a, V b, V c) { return (V)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b); }
#elif VALUE_BITS == 32
INLINE V splat(T x) { return (V)ON(set1, ps)(x); }
INLINE V multiply_add(V a, V b, V c) { return (V)ON(fmadd, ps)(a, b, c); }
#else
INLINE V splat(T x) { return (V)ON(set1, pd)(x); }
INLINE V multiply_add(V a, V b, V c) { return (V)ON(fmadd, pd)(a, b, c); }
#endif

INLINE Bits bits_of(T x) {
    Bits bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

INLINE T value_of(Bits bits) {
    T x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
INLINE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
INLINE int64_t ceiling(int64_t a, int64_t unit) { return (a + unit - 1) / unit; }
#endif
