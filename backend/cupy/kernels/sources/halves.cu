// Numbers of two bytes, by their bits: float16 (11 significant bits, subnormals below 2^-14) and bfloat16, the upper
// half of a float. Written out in integers, so that no header is needed and every device rounds alike: to the nearest,
// even on ties; finite numbers beyond the largest become that, infinities and NaNs stay. One launch, value by value.

typedef unsigned int Bits;
typedef unsigned short Half;

// The bits above the `dropped` lowest ones, rounded to nearest, even on ties.
__device__ Bits nearest_even(Bits bits, Bits dropped) {
    Bits half = (1u << (dropped - 1)) - 1;
    return (bits + half + (bits >> dropped & 1)) >> dropped;
}

__device__ Half to_float16(Bits bits) {
    Bits sign = bits >> 16 & 0x8000u, size = bits & 0x7FFFFFFFu;
    if (size > 0x7F800000u) return (Half)(sign | 0x7E00u | (size >> 13 & 0x1FFu));
    if (size == 0x7F800000u) return (Half)(sign | 0x7C00u);
    if (size >= 0x477FF000u) return (Half)(sign | 0x7BFFu); // 65520, which would be rounded up, and beyond
    if (size >= 0x38800000u) return (Half)(sign | (nearest_even(size, 13) - 0x1C000u)); // 2^-14: exponents are 112 less
    Bits exponent = size >> 23;
    if (exponent < 102u) return (Half)sign; // less than half of 2^-24
    Bits value = (size & 0x7FFFFFu) | 0x800000u;
    return (Half)(sign | nearest_even(value, 126u - exponent));
}

__device__ Half to_bfloat16(Bits bits) {
    Bits size = bits & 0x7FFFFFFFu;
    if (size > 0x7F800000u) return (Half)(bits >> 16 | 0x40u);
    if (size < 0x7F800000u && size >= 0x7F7F8000u) return (Half)((bits >> 16 & 0x8000u) | 0x7F7Fu);
    return (Half)nearest_even(bits, 16);
}

__device__ Bits from_float16(Half half) {
    Bits sign = (Bits)(half & 0x8000u) << 16, size = half & 0x7FFFu;
    if (size >= 0x7C00u) return sign | 0x7F800000u | (size & 0x3FFu) << 13;
    if (size >= 0x400u) return sign | ((size << 13) + 0x38000000u);
    if (size == 0u) return sign;
    Bits exponent = 113u;
    while (!(size & 0x400u)) {
        size <<= 1;
        exponent -= 1u;
    }
    return sign | exponent << 23 | (size & 0x3FFu) << 13;
}

extern "C" __global__ void narrow(Half *halves, const Bits *x, long long size, int brain) {
    long long step = (long long)gridDim.x * blockDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < size; i += step)
        halves[i] = brain ? to_bfloat16(x[i]) : to_float16(x[i]);
}

extern "C" __global__ void widen(Bits *x, const Half *halves, long long size, int brain) {
    long long step = (long long)gridDim.x * blockDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < size; i += step)
        x[i] = brain ? (Bits)halves[i] << 16 : from_float16(halves[i]);
}
