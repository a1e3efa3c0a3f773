"""QUANTIZE, DEQUANTIZE and CAST in all pairs of types."""
import ml_dtypes
import numpy as np

from suite import Graph, Op, T, const
from unary import ALL8, ALLU8, FLOATS, words

F32, F16, BF16, S4 = np.float32, np.float16, ml_dtypes.bfloat16, ml_dtypes.int4
S8, U8, S16, S32, U32, S64, U64, BOOL = np.int8, np.uint8, np.int16, np.int32, np.uint32, np.int64, np.uint64, np.bool_


def name(d):
    return {F32: "f32", F16: "f16", BF16: "bf16", S4: "s4", S8: "s8", U8: "u8", S16: "s16", S32: "s32", U32: "u32", S64: "s64", U64: "u64", BOOL: "bool"}[d]


def longs(s):
    """int32 values of all sizes."""
    i = np.iinfo(S32)
    a = [s.rng.integers(-(1 << b), 1 << b, 12, dtype=np.int64) for b in range(2, 32, 3)]
    return np.concatenate([np.array([i.min, i.max, 0, 1, -1]), *a]).astype(S32)


def quantize(s):
    params = {S8: [(0.05, 3), (1 / 256, 0), (1 / 16, -3), (0.7, 127), (0.013, -128)], U8: [(0.05, 131), (1 / 256, 0), (1 / 16, 255)],
              S16: [(0.0002, 0), (1 / 512, 0), (1 / 32768, 0), (0.001, 700)]}
    for d, list_ in params.items():
        oracle = "litert" if d is U8 else "tflm"
        for i, (scale, zero) in enumerate(list_):
            ties = ((np.arange(-70, 70) + 0.5) * scale).astype(F32)
            x = np.concatenate([np.clip(FLOATS[:12], -1e4, 1e4), ties, np.linspace(-7, 7, 48).astype(F32)])
            s.add(f"quantize_f32_{name(d)}_{i}", "QUANTIZE", None, [T(x.shape, F32)], T(x.shape, d, scale, zero), inputs=[[x]], oracle=oracle)
        scales = np.array([0.05, 0.001, 1 / 64], F32)
        for axis in (0, 1, 2):
            shape = [2, 4, 5]
            shape[axis] = 3
            s.add(f"quantize_f32_{name(d)}_channel{axis}", "QUANTIZE", None, [T(shape, F32)], T(shape, d, scales, 7 if d is U8 else 0, axis=axis), oracle="litert")
    x = np.concatenate([FLOATS[:9], np.linspace(-1, 1, 50)]).astype(F32)
    for i, (scale, zero) in enumerate([(0.1, 0), (0.07, -3), (0.125, 7)]):
        i_, m, o = T(x.shape, F32), T(x.shape, S4, scale, zero), T(x.shape, F32)
        s.add_model(f"quantize_f32_s4_{i}", [Graph([i_], [o], [Op("QUANTIZE", None, [i_], [m]), Op("DEQUANTIZE", None, [m], [o])])], op="QUANTIZE", inputs=[[x]], oracle="litert")
    s.add("quantize_f32_scalar", "QUANTIZE", None, [T((), F32)], T((), S8, 0.1, 1))


# factors between scales: equal, near one, tiny, above one, with a mantissa near 2^31, an exact half
FACTORS = [1.0, 0.999999, 1.7, 0.5, 0.0078125, 3.1e-5, 37.3, 0.99999999]


def requantize(s):
    data = {S8: ALL8, U8: ALLU8, S16: words(s), S32: longs(s)}
    zeros = {S8: [-7, 127, -128], U8: [121, 255, 0], S16: [0, 0, 0], S32: [0, 5, -900]}
    base = {S8: 0.05, U8: 0.05, S16: 0.0002, S32: 1e-6}
    micro = {(S8, S8), (S8, U8), (S8, S16), (S8, S32), (U8, S8), (S16, S8), (S16, S16), (S16, S32), (S32, S8), (S32, S16)}
    for a, b in sorted(micro | {(U8, U8), (U8, S16)}, key=lambda p: (name(p[0]), name(p[1]))):
        oracle = "tflm" if (a, b) in micro else "litert"
        for i, f in enumerate(FACTORS):
            si = base[a]
            x = data[a]
            if a is S32 and f > 1:  # what moves left must fit 32 bits
                x = np.clip(x, -1 << 24, 1 << 24).astype(S32)
            s.add(f"quantize_{name(a)}_{name(b)}_{i}", "QUANTIZE", None, [T(x.shape, a, si, zeros[a][i % 3])], T(x.shape, b, F32(si / f), zeros[b][(i + 1) % 3]),
                  inputs=[[x]], oracle=oracle)
    # int8 and uint8 with one scale whose zero points differ by 128: one bit flips
    for a, b, za, zb in ((S8, U8, -7, 121), (U8, S8, 121, -7)):
        x = data[a]
        s.add(f"quantize_{name(a)}_{name(b)}_flip", "QUANTIZE", None, [T(x.shape, a, 0.05, za)], T(x.shape, b, 0.05, zb), inputs=[[x]])
    x = words(s)
    s.add("quantize_s16_s8_zero", "QUANTIZE", None, [T(x.shape, S16, 1 / 65535, -32768)], T(x.shape, S8, 1 / 256, -128), inputs=[[x]])
    s.add("quantize_s16_s32_zero", "QUANTIZE", None, [T(x.shape, S16, 1 / 65535, -32768)], T(x.shape, S32, 2 / 65535, 0), inputs=[[x]])


def dequantize(s):
    for d, x, zeros in ((S8, ALL8, (3, -128, 127)), (U8, ALLU8, (121, 0, 255)), (S16, words(s), (0, 0, 0))):
        for i, zero in enumerate(zeros):
            s.add(f"dequantize_{name(d)}_{i}", "DEQUANTIZE", None, [T(x.shape, d, (0.05, 1 / 3, 1e-5)[i], zero)], T(x.shape, F32), inputs=[[x]])
    shape = (2, 3, 5)
    for d, zero in ((S8, -3), (U8, 99), (S16, 0), (S4, 0)):
        i = np.iinfo(d) if d is not S4 else None
        v = s.rng.integers(-8, 8, shape).astype(S4) if d is S4 else s.rng.integers(i.min, i.max, shape, dtype=d, endpoint=True)
        x = T(shape, F32)
        for axis in (0, 1, 2) if d is not S16 else ():
            scale = (s.rng.integers(1, 100, shape[axis]) / 512).astype(F32)
            w, y = const(v, scale=scale, zero=zero, axis=axis), T(shape, F32)
            s.add_model(f"dequantize_{name(d)}_const_channel{axis}", [Graph([x], [y], chain(w, x, y))], op="DEQUANTIZE", oracle="litert")
        w, y = const(v, scale=0.03, zero=zero), T(shape, F32)
        s.add_model(f"dequantize_{name(d)}_const", [Graph([x], [y], chain(w, x, y))], op="DEQUANTIZE", oracle="litert")
    v = np.concatenate([FLOATS[:10], [6e-8, 65504, -65504, 1 / 3, 1e-6]]).astype(F16)
    x, y = T(v.shape, F32), T(v.shape, F32)
    s.add_model("dequantize_f16_const", [Graph([x], [y], chain(const(v), x, y))], op="DEQUANTIZE", oracle="litert", inputs=[[np.zeros(v.shape, F32)]])
    s.add("dequantize_f16", "DEQUANTIZE", None, [T(v.shape, F16)], T(v.shape, F32), inputs=[[v]], oracle="litert")


def chain(w, x, y):
    """w made float, plus x, so that the constant meets an input."""
    f = T(w.shape, F32)
    return [Op("DEQUANTIZE", None, [w], [f], 2), Op("ADD", ("AddOptions", {}), [f, x], [y])]


def cast(s):
    kinds = [F32, F16, BF16, S8, U8, S16, S32, U32, S64, U64, BOOL]
    values = {F32: np.concatenate([FLOATS, np.array([300.7, -300.7, 70000, -70000, 3e9, 5e9, -5e9, 1e19, 1e20, 127.5, -128.5, 255.5, 0.99], F32)]),
              BOOL: np.array([0, 1, 1, 0], BOOL)}
    with np.errstate(over="ignore"):
        values[F16] = values[F32].astype(F16)
    for d in (S8, U8, S16, S32, U32, S64, U64):
        i = np.iinfo(d)
        v = [i.min, i.max, 0, 1, i.max - 1] + [int(a) for a in s.rng.integers(i.min, i.max, 15, dtype=d, endpoint=True)]
        v += [a for a in (-1, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 16777217, 2147483647, 2147483648, 4294967295) if i.min <= a <= i.max]
        values[d] = np.array(v, d)
    for a in kinds:
        for b in kinds:
            if BF16 in (a, b) or U64 in (a, b):  # neither oracle casts uint64
                continue
            x = values[a]
            for oracle in ("tflm", "litert"):
                if not s.refused("", oracle, "CAST", None, [T((3,), a)], T((3,), b)):
                    s.add(f"cast_{name(a)}_{name(b)}", "CAST", None, [T(x.shape, a)], T(x.shape, b), inputs=[[x]], oracle=oracle)
                    break
            else:
                raise SystemExit(f"no oracle casts {name(a)} to {name(b)}")
    # bfloat16 has no numpy type that the interpreters know: it stands between two casts
    for a in (F32, F16, S8, U8, S16, S32, S64, BOOL):
        for b in (F32, S32) if a is F32 else (F32,):
            x = values[a]
            i, m, o = T(x.shape, a), T(x.shape, BF16), T(x.shape, b)
            s.add_model(f"cast_{name(a)}_bf16_{name(b)}", [Graph([i], [o], [Op("CAST", None, [i], [m]), Op("CAST", None, [m], [o])])], op="CAST", inputs=[[x]], oracle="litert")
    v = np.array([-8, -1, 0, 1, 7, 5, -3], S4)
    x, f, y = T(v.shape, F32), T(v.shape, F32), T(v.shape, F32)
    s.add_model("cast_s4_const", [Graph([x], [y], [Op("CAST", None, [const(v)], [f]), Op("ADD", ("AddOptions", {}), [f, x], [y])])], op="CAST", oracle="litert")
    x = np.concatenate([FLOATS, np.linspace(-9, 9, 37)]).astype(F32)
    i, m, o = T(x.shape, F32), T(x.shape, S4), T(x.shape, F32)
    s.add_model("cast_f32_s4", [Graph([i], [o], [Op("CAST", None, [i], [m]), Op("CAST", None, [m], [o])])], op="CAST", inputs=[[x]], oracle="litert")
    s.add("cast_u8_scaled_f32", "CAST", None, [T(ALLU8.shape, U8, 0.05, 121)], T(ALLU8.shape, F32), inputs=[[ALLU8]], oracle="litert")
    x = values[F32][16:]
    s.add("cast_f32_u8_scaled", "CAST", None, [T(x.shape, F32)], T(x.shape, U8, 0.05, 121), inputs=[[x]], oracle="litert")
    s.add("cast_s32_s8_scaled", "CAST", None, [T(values[S32].shape, S32, 0.1, 0)], T(values[S32].shape, S8, 0.05, 3), inputs=[[values[S32]]])
    s.add("cast_scalar", "CAST", None, [T((), S32)], T((), F32))


def cases(s):
    s.ulp = 0
    quantize(s)
    requantize(s)
    dequantize(s)
    cast(s)
