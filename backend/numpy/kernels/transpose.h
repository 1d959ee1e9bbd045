/* A square of LANES x LANES values, transposed in registers: scalar copies would take as long as the product itself
   where there are few rows. Values change places inside 128-bit lanes first, then lanes do as wholes. */
#ifndef TRANSPOSE_H
#define TRANSPOSE_H
#include "vectors.h"

enum { PER_LANE = 16 / sizeof(T), LANES_128 = VECTOR_BYTES / 16 };

#if defined(__aarch64__)
#define LOW_PAIRS(a, b) (V) vzip1q_f32((float32x4_t)(a), (float32x4_t)(b))
#define HIGH_PAIRS(a, b) (V) vzip2q_f32((float32x4_t)(a), (float32x4_t)(b))
#define LOW_HALVES(a, b) (V) vzip1q_f64((float64x2_t)(a), (float64x2_t)(b))
#define HIGH_HALVES(a, b) (V) vzip2q_f64((float64x2_t)(a), (float64x2_t)(b))
#else
#if VECTOR_BYTES == 64
#define FLOATS __m512
#define DOUBLES __m512d
#else
#define FLOATS __m256
#define DOUBLES __m256d
#endif
#define LOW_PAIRS(a, b) (V) ON(unpacklo, ps)((FLOATS)(a), (FLOATS)(b))
#define HIGH_PAIRS(a, b) (V) ON(unpackhi, ps)((FLOATS)(a), (FLOATS)(b))
#define LOW_HALVES(a, b) (V) ON(unpacklo, pd)((DOUBLES)(a), (DOUBLES)(b))
#define HIGH_HALVES(a, b) (V) ON(unpackhi, pd)((DOUBLES)(a), (DOUBLES)(b))
#endif

/* Transpose the PER_LANE x PER_LANE squares inside each 128-bit lane of PER_LANE vectors. */
INLINE void transpose_in_lanes(V *v) {
#if VALUE_BITS == 32
    V a = LOW_PAIRS(v[0], v[1]), b = HIGH_PAIRS(v[0], v[1]), c = LOW_PAIRS(v[2], v[3]), d = HIGH_PAIRS(v[2], v[3]);
    v[0] = LOW_HALVES(a, c);
    v[1] = HIGH_HALVES(a, c);
    v[2] = LOW_HALVES(b, d);
    v[3] = HIGH_HALVES(b, d);
#else
    V a = v[0];
    v[0] = LOW_HALVES(a, v[1]);
    v[1] = HIGH_HALVES(a, v[1]);
#endif
}

/* out := the transpose of the square at `source`; rows are `source_down` and `out_down` values apart. */
INLINE void transpose(const T *source, int64_t source_down, T *out, int64_t out_down) {
    V v[LANES];
    for (int i = 0; i < LANES; i++) v[i] = load(source + i * source_down);
    for (int i = 0; i < LANES; i += PER_LANE) transpose_in_lanes(v + i);
    for (int c = 0; c < PER_LANE; c++) {
        T *to = out + c * out_down;
#if VECTOR_BYTES == 64
#define LANES_OF(a, b, which) (V) _mm512_shuffle_f32x4((__m512)(a), (__m512)(b), which)
        V a = LANES_OF(v[c], v[PER_LANE + c], 0x88), b = LANES_OF(v[c], v[PER_LANE + c], 0xDD);
        V d = LANES_OF(v[2 * PER_LANE + c], v[3 * PER_LANE + c], 0x88);
        V e = LANES_OF(v[2 * PER_LANE + c], v[3 * PER_LANE + c], 0xDD);
        store(to, LANES_OF(a, d, 0x88));
        store(to + PER_LANE * out_down, LANES_OF(b, e, 0x88));
        store(to + 2 * PER_LANE * out_down, LANES_OF(a, d, 0xDD));
        store(to + 3 * PER_LANE * out_down, LANES_OF(b, e, 0xDD));
#elif VECTOR_BYTES == 32
        __m256 a = (__m256)v[c], b = (__m256)v[PER_LANE + c];
        store(to, (V)_mm256_permute2f128_ps(a, b, 0x20));
        store(to + PER_LANE * out_down, (V)_mm256_permute2f128_ps(a, b, 0x31));
#else
        store(to, v[c]);
#endif
    }
}
#endif
