/* exp, expm1, log1p, sigmoid and tanh as loops without branches or calls, which compilers make vectors of.

   Each is within 2 units in the last place; NaN comes out as NaN. Every multiply-add is written out, so that no
   compiler's taste changes a bit (build with -ffp-contract=off). Coefficients: S. L. Moshier's Cephes library (expf,
   exp, tanhf, tanh) and Sun's fdlibm (log1p). */
#ifndef ELEMENTARY_H
#define ELEMENTARY_H
#include "vectors.h"

#if VALUE_BITS == 32
#define LOWEST CONSTANT(-104.0)
#define ROUNDING CONSTANT(12582912.0) /* 1.5 2^23: adding it leaves the nearest integer in the low bits */
#define BIAS 127
#define FRACTION_BITS 23
#define LOG2_E CONSTANT(1.44269504088896341)
#define LN2_HIGH CONSTANT(0.693359375)
#define LN2_LOW CONSTANT(-2.12194440e-4)
typedef int32_t Integer;
#else
#define LOWEST CONSTANT(-746.0)
#define ROUNDING CONSTANT(6755399441055744.0)
#define BIAS 1023
#define FRACTION_BITS 52
#define LOG2_E CONSTANT(1.4426950408889634073599)
#define LN2_HIGH CONSTANT(6.93145751953125e-1)
#define LN2_LOW CONSTANT(1.42860682030941723212e-6)
typedef int64_t Integer;
#endif

/* n, the integer next to x / ln 2, by way of `r`, what is left of x. */
INLINE Integer reduce(T x, T *r) {
    T shifted = FMA(x, LOG2_E, ROUNDING), n = shifted - ROUNDING;
    *r = FMA(-n, LN2_LOW, FMA(-n, LN2_HIGH, x));
    return (Integer)(bits_of(shifted) - bits_of(ROUNDING));
}

/* 2^n for a normal result. */
INLINE T power_of_two(Integer n) { return value_of((Bits)(n + BIAS) << FRACTION_BITS); }

/* exp(x) for x <= 0, down to the subnormal numbers. */
INLINE T exp_of_negative(T x) {
    T r, clamped = x < LOWEST ? LOWEST : x;
    Integer n = reduce(clamped, &r), half = n >> 1;
#if VALUE_BITS == 32
    T p = 1.9875691500e-4f;
    p = FMA(p, r, 1.3981999507e-3f);
    p = FMA(p, r, 8.3334519073e-3f);
    p = FMA(p, r, 4.1665795894e-2f);
    p = FMA(p, r, 1.6666665459e-1f);
    p = FMA(p, r, 5.0000001201e-1f);
    p = FMA(p, r * r, r) + 1.0f;
#else
    T rr = r * r;
    T top = r * FMA(FMA(1.26177193074810590878e-4, rr, 3.02994407707441961300e-2), rr, 9.99999999999999999910e-1);
    T bottom = FMA(FMA(3.00198505138664455042e-6, rr, 2.52448340349684104192e-3), rr, 2.27265548208155028766e-1);
    bottom = FMA(bottom, rr, 2.00000000000000000009);
    T p = FMA(2.0, top / (bottom - top), 1.0);
#endif
    T scaled = p * power_of_two(half) * power_of_two(n - half); /* two factors, neither of them subnormal */
    return x == x ? scaled : x;
}

/* exp(x) - 1 for x <= 0, without cancellation near 0. */
INLINE T expm1_of_negative(T x) {
    T r, clamped = x < CONSTANT(-60.0) ? CONSTANT(-60.0) : x;
    Integer n = reduce(clamped, &r);
#if VALUE_BITS == 32
    T p = 1.9875691500e-4f;
    p = FMA(p, r, 1.3981999507e-3f);
    p = FMA(p, r, 8.3334519073e-3f);
    p = FMA(p, r, 4.1665795894e-2f);
    p = FMA(p, r, 1.6666665459e-1f);
    p = FMA(p, r, 5.0000001201e-1f);
    p = FMA(p, r * r, r);
#else
    T rr = r * r;
    T top = r * FMA(FMA(1.26177193074810590878e-4, rr, 3.02994407707441961300e-2), rr, 9.99999999999999999910e-1);
    T bottom = FMA(FMA(3.00198505138664455042e-6, rr, 2.52448340349684104192e-3), rr, 2.27265548208155028766e-1);
    bottom = FMA(bottom, rr, 2.00000000000000000009);
    T p = 2.0 * (top / (bottom - top));
#endif
    T scale = power_of_two(n), value = n == 0 ? p : FMA(scale, p, scale - 1);
    return x == x ? (x == 0 ? x : value) : x;
}

/* log(1 + e) for 0 <= e <= 1. */
INLINE T log1p_of_unit(T e) {
    int large = e > CONSTANT(0.41421356237309503); /* then log(1 + e) = ln 2 + log(1 + f), f = (e - 1) / 2 */
    T f = large ? CONSTANT(0.5) * (e - 1) : e, s = f / (2 + f), z = s * s, half = CONSTANT(0.5) * f * f;
#if VALUE_BITS == 32
    T high = 6.9313812256e-01f, low = 9.0580006145e-06f;
    T R = z * FMA(z, FMA(z, FMA(z, 0.24279078841f, 0.28498786688f), 0.40000972152f), 0.66666662693f);
#else
    T high = 6.93147180369123816490e-01, low = 1.90821492927058770002e-10;
    T R = FMA(z, 1.479819860511658591e-01, 1.531383769920937332e-01);
    R = FMA(z, FMA(z, FMA(z, R, 1.818357216161805012e-01), 2.222219843214978396e-01), 2.857142874366239149e-01);
    R = z * FMA(z, FMA(z, R, 3.999999999940941908e-01), 6.666666666666735130e-01);
#endif
    T small = f - (half - s * (half + R)), with_ln2 = high - ((half - FMA(s, half + R, low)) - f);
    return large ? with_ln2 : small;
}

INLINE T sigmoid(T x) {
    T e = exp_of_negative(-ABS(x));
    return (x < 0 ? e : 1) / (1 + e);
}

INLINE T tanh_of(T x) {
    T s = x * x;
#if VALUE_BITS == 32
    T p = -5.70498872745e-3f;
    p = FMA(p, s, 2.06390887954e-2f);
    p = FMA(p, s, -5.37397155531e-2f);
    p = FMA(p, s, 1.33314422036e-1f);
    p = FMA(p, s, -3.33332819422e-1f);
    T near = FMA(p * s, x, x);
#else
    T p = FMA(FMA(-9.64399179425052238628e-1, s, -9.92877231001918586564e1), s, -1.61468768441708447952e3);
    T q = FMA(FMA(s + 1.12811678491632931402e2, s, 2.23548839060100448583e3), s, 4.84406305325125486048e3);
    T near = FMA(x, s * (p / q), x);
#endif
    T e = exp_of_negative(-2 * ABS(x)), far = (1 - e) / (1 + e);
    far = x < 0 ? -far : far;
    return ABS(x) < CONSTANT(0.625) ? near : far;
}

/* log(1 + exp(x)), without overflow. */
INLINE T softplus(T x) { return (x > 0 ? x : 0) + log1p_of_unit(exp_of_negative(-ABS(x))); }
#endif
