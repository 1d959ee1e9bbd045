"""exp, sigmoid and tanh for compiled loops, written so that a compiler can vectorise them.

There are no branches and no calls into the C library: range reduction by powers of two, a polynomial or a rational
function, and the exponent put together from bits. The coefficients are those of S. L. Moshier's Cephes library
(expf, exp, tanhf, tanh). NaN comes out as NaN. Each is within 2 units in the last place of the exact value.

Numba chooses by type: `exp_of_negative`, `sigmoid` and `tanh` here are only names, their bodies the overloads below.
"""

import numpy as np
from numba import types
from numba.extending import overload

_OPTIONS = {"fastmath": {"contract"}, "error_model": "numpy"}


def exp_of_negative(x: float) -> float:
    """exp(x) for x <= 0, down to the subnormal numbers."""
    raise NotImplementedError("for compiled code only")


def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)), without overflow."""
    raise NotImplementedError("for compiled code only")


def tanh(x: float) -> float:
    """The hyperbolic tangent."""
    raise NotImplementedError("for compiled code only")


@overload(exp_of_negative, jit_options=_OPTIONS)
def _exp_of_negative(x):  # type: ignore[no-untyped-def]
    if x == types.float32:
        return _exp_of_negative_32
    return _exp_of_negative_64


def _exp_of_negative_32(x):  # type: ignore[no-untyped-def]
    clamped = np.float32(-104.0) if x < np.float32(-104.0) else x
    # Adding 1.5 * 2**23 rounds to an integer and leaves it in the low bits.
    shifted = clamped * np.float32(1.44269504088896341) + np.float32(12582912.0)
    n = shifted - np.float32(12582912.0)
    r = clamped - n * np.float32(0.693359375)
    r = r - n * np.float32(-2.12194440e-4)
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    p = p * (r * r) + r + np.float32(1.0)
    # 2**n in two factors, neither of them subnormal.
    half = np.int32(n) >> np.int32(1)
    rest = np.int32(n) - half
    low = np.int32((half + np.int32(127)) << np.int32(23)).view(np.float32)
    high = np.int32((rest + np.int32(127)) << np.int32(23)).view(np.float32)
    scaled = p * low * high
    return scaled if x == x else x


def _exp_of_negative_64(x):  # type: ignore[no-untyped-def]
    clamped = -746.0 if x < -746.0 else x
    shifted = clamped * 1.4426950408889634073599 + 6755399441055744.0
    n = shifted - 6755399441055744.0
    r = clamped - n * 6.93145751953125e-1
    r = r - n * 1.42860682030941723212e-6
    rr = r * r
    p = r * ((1.26177193074810590878e-4 * rr + 3.02994407707441961300e-2) * rr + 9.99999999999999999910e-1)
    q = (
        (3.00198505138664455042e-6 * rr + 2.52448340349684104192e-3) * rr + 2.27265548208155028766e-1
    ) * rr + 2.00000000000000000009
    value = 1.0 + 2.0 * (p / (q - p))
    half = np.int64(n) >> np.int64(1)
    rest = np.int64(n) - half
    low = np.int64((half + np.int64(1023)) << np.int64(52)).view(np.float64)
    high = np.int64((rest + np.int64(1023)) << np.int64(52)).view(np.float64)
    scaled = value * low * high
    return scaled if x == x else x


@overload(sigmoid, jit_options=_OPTIONS)
def _sigmoid(x):  # type: ignore[no-untyped-def]
    one = np.float32(1.0) if x == types.float32 else 1.0

    def impl(x):  # type: ignore[no-untyped-def]
        e = exp_of_negative(-abs(x))
        return (e if x < 0 else one) / (one + e)

    return impl


@overload(tanh, jit_options=_OPTIONS)
def _tanh(x):  # type: ignore[no-untyped-def]
    return _tanh_32 if x == types.float32 else _tanh_64


def _tanh_32(x):  # type: ignore[no-untyped-def]
    s = x * x
    p = np.float32(-5.70498872745e-3)
    p = p * s + np.float32(2.06390887954e-2)
    p = p * s + np.float32(-5.37397155531e-2)
    p = p * s + np.float32(1.33314422036e-1)
    p = p * s + np.float32(-3.33332819422e-1)
    near = p * s * x + x
    e = exp_of_negative(np.float32(-2.0) * abs(x))
    far = (np.float32(1.0) - e) / (np.float32(1.0) + e)
    far = -far if x < 0 else far
    return near if abs(x) < np.float32(0.625) else far


def _tanh_64(x):  # type: ignore[no-untyped-def]
    s = x * x
    p = (-9.64399179425052238628e-1 * s - 9.92877231001918586564e1) * s - 1.61468768441708447952e3
    q = ((s + 1.12811678491632931402e2) * s + 2.23548839060100448583e3) * s + 4.84406305325125486048e3
    near = x * (s * (p / q)) + x
    e = exp_of_negative(-2.0 * abs(x))
    far = (1.0 - e) / (1.0 + e)
    far = -far if x < 0 else far
    return near if abs(x) < 0.625 else far
