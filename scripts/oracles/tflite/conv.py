"""Convolutions over two axes: plain, grouped, depthwise."""
import ml_dtypes
import numpy as np

from suite import ACTS, SAME, VALID, Graph, Op, T, const, quantized_bits, span

INT4 = ml_dtypes.int4
XS = np.float32(0.021)
# h, w, c, o, kh, kw, sh, sw, dh, dw, padding, activation, one scale per channel
SHAPES = [
    (5, 7, 3, 5, 3, 3, 1, 1, 1, 1, SAME, "none", True), (8, 6, 4, 8, 3, 3, 2, 2, 1, 1, SAME, "relu", True),
    (9, 9, 2, 3, 3, 2, 1, 2, 2, 2, VALID, "relu6", True), (4, 4, 16, 6, 1, 1, 1, 1, 1, 1, VALID, "none", True),
    (6, 5, 1, 9, 5, 4, 2, 1, 1, 1, SAME, "none", False), (7, 7, 8, 4, 1, 1, 2, 2, 1, 1, SAME, "relu_n1_to_1", True),
    (1, 1, 1, 1, 1, 1, 1, 1, 1, 1, SAME, "none", True), (3, 2, 2, 3, 5, 5, 3, 2, 1, 1, SAME, "relu", False),
    (11, 1, 3, 2, 3, 1, 1, 1, 4, 1, SAME, "none", False), (7, 7, 2, 2, 2, 3, 3, 1, 1, 3, VALID, "none", False)]


def ints(s, lo, hi, shape, dtype):
    return s.rng.integers(lo, hi, size=shape).astype(dtype)


def scales(s, n, per_channel=True):
    return (s.rng.integers(20, 200, size=n) / 20000).astype(np.float32) if per_channel else np.float32(0.0123)


def weights(s, shape, channels, axis, per_channel, dtype=np.int8):
    """Integer weights and their scales."""
    lo, hi = (-8, 8) if dtype == INT4 else (-127, 128)
    ws = scales(s, channels, per_channel)
    return const(ints(s, lo, hi, shape, np.int8).astype(dtype), scale=ws, axis=axis), ws


def bias(s, n, in_scale, ws, dtype=np.int32, reach=2000):
    return const(ints(s, -reach, reach, n, dtype), scale=np.atleast_1d(np.float32(in_scale) * ws).astype(np.float32))


def floats(s, *shape):
    return const(quantized_bits(s.rng, *shape))


def options(c):
    h, w, _, _, kh, kw, sh, sw, dh, dw, pad, act, _ = c
    o = {"padding": pad, "strideH": sh, "strideW": sw, "dilationHFactor": dh, "dilationWFactor": dw, "fusedActivationFunction": ACTS[act]}
    return o, span(h, kh, sh, dh, pad), span(w, kw, sw, dw, pad)


def each(s):
    """Name suffix, shape case, conv options with output extents, depthwise options."""
    for i, c in enumerate(SHAPES, 1):
        o, ho, wo = options(c)
        yield f"{i}_{c[11]}", c, o, ho, wo


def conv(s, name, o, ins, out, **kw):
    s.add(name, "CONV_2D", ("Conv2DOptions", o), ins, out, **kw)


def depthwise(s, name, o, mult, ins, out, **kw):
    s.add(name, "DEPTHWISE_CONV_2D", ("DepthwiseConv2DOptions", dict(o, depthMultiplier=mult)), ins, out, **kw)


def signed(s):
    """int8 and float32, plain and depthwise."""
    for tag, (h, w, c, o, kh, kw, *_, pc), opts, ho, wo in each(s):
        wt, ws = weights(s, (o, kh, kw, c), o, 0, pc)
        x = T((2, h, w, c), np.int8, XS, -5)
        conv(s, "conv_s8_" + tag, opts, [x, wt, bias(s, o, XS, ws)], T((2, ho, wo, o), np.int8, 0.09, 7), version=3)
        conv(s, "conv_s8_no_bias_" + tag, opts, [x, wt], T((2, ho, wo, o), np.int8, 0.09, 7), version=3, samples=1)
        conv(s, "conv_f32_" + tag, opts, [T((2, h, w, c), np.float32), floats(s, o, kh, kw, c), floats(s, o)], T((2, ho, wo, o), np.float32))
        for mult in (1, 3):
            oc = c * mult
            wt, ws = weights(s, (1, kh, kw, oc), oc, 3, pc)
            depthwise(s, f"depthwise_s8_{tag}_x{mult}", opts, mult, [x, wt, bias(s, oc, XS, ws)], T((2, ho, wo, oc), np.int8, 0.05, -11), version=3)
            depthwise(s, f"depthwise_f32_{tag}_x{mult}", opts, mult, [T((2, h, w, c), np.float32), floats(s, 1, kh, kw, oc), floats(s, oc)],
                      T((2, ho, wo, oc), np.float32), samples=1)
    same = {"padding": SAME, "strideH": 1, "strideW": 1}
    wt, ws = weights(s, (1, 3, 3, 4), 4, 3, True)
    depthwise(s, "depthwise_s8_no_bias", same, 2, [T((1, 4, 3, 2), np.int8, XS, 127), wt], T((1, 4, 3, 4), np.int8, 0.05, -128), version=3)
    depthwise(s, "depthwise_f32_no_bias", same, 2, [T((1, 4, 3, 2), np.float32), floats(s, 1, 3, 3, 4)], T((1, 4, 3, 4), np.float32))
    conv(s, "conv_f32_no_bias", same, [T((1, 4, 3, 2), np.float32), floats(s, 3, 3, 3, 2)], T((1, 4, 3, 3), np.float32))
    conv(s, "conv_f32_computed_weights", same, [T((1, 4, 3, 2), np.float32), T((3, 2, 3, 2), np.float32), floats(s, 3)], T((1, 4, 3, 3), np.float32))
    conv(s, "conv_f32_computed_bias", dict(same, fusedActivationFunction=ACTS["relu"]),
         [T((1, 4, 3, 2), np.float32), floats(s, 3, 3, 3, 2), T((3,), np.float32)], T((1, 4, 3, 3), np.float32))
    ws = scales(s, 3)
    conv(s, "conv_s8_computed_weights", same, [T((1, 4, 3, 2), np.int8, XS, -9), T((3, 2, 3, 2), np.int8, ws), bias(s, 3, XS, ws)], T((1, 4, 3, 3), np.int8, 0.09, 4))
    depthwise(s, "depthwise_f32_computed_weights", same, 2, [T((1, 4, 3, 2), np.float32), T((1, 3, 2, 4), np.float32), floats(s, 4)], T((1, 4, 3, 4), np.float32))
    ws = scales(s, 4)
    for name, dtype, q in (("s8", np.int8, {"scale": XS, "zero": -9}), ("s16", np.int16, {"scale": 0.0007})):
        b = bias(s, 4, q["scale"], ws, np.int32 if name == "s8" else np.int64)
        depthwise(s, f"depthwise_{name}_computed_weights", same, 2, [T((1, 4, 3, 2), dtype, **q), T((1, 3, 2, 4), np.int8, ws, axis=3), b],
                  T((1, 4, 3, 4), dtype, 0.05), version=3)
    conv(s, "conv_s16_computed_weights", same, [T((1, 4, 3, 2), np.int16, 0.0007), T((4, 2, 3, 2), np.int8, ws), bias(s, 4, 0.0007, ws, np.int64)], T((1, 4, 3, 4), np.int16, 0.02))
    for groups, o in ((3, 6), (2, 2), (6, 6)):
        wt, ws = weights(s, (o, 2, 2, 6 // groups), o, 0, True)
        conv(s, f"conv_s8_groups_{groups}", same, [T((1, 5, 5, 6), np.int8, XS, 3), wt, bias(s, o, XS, ws)], T((1, 5, 5, o), np.int8, 0.05, 0), version=3)
        conv(s, f"conv_f32_groups_{groups}", same, [T((1, 5, 5, 6), np.float32), floats(s, o, 2, 2, 6 // groups), floats(s, o)], T((1, 5, 5, o), np.float32))
    # multipliers: tiny, above 1, mantissas near 2^31 and 2^30, rounding ties; zero points at both ends
    for tag, xs, ws, os, zi, zo in [("tiny", 1e-4, 1e-5, 1.0, -128, 127), ("large", 1.0, 0.9, 0.11, 127, -128), ("above_one", 0.5, 1.5, 0.01, 0, 5),
                                    ("mantissa", 0.99999994, 1.0, 1.0, 0, 0), ("power", 0.5, 0.5, 1.0, 1, -1), ("tie", 1.0, 0.5, 1.0, 0, 0), ("half", 0.25, 0.5, 1.0, -128, -128)]:
        one = const(np.array([1, -1, 2, -3], np.int8).reshape(4, 1, 1, 1), scale=np.full(4, ws, np.float32))
        b = const(np.array([0, 1, -1, 5], np.int32), scale=np.full(4, xs * ws, np.float32))
        conv(s, "conv_s8_scale_" + tag, same, [T((1, 16, 16, 1), np.int8, xs, zi), one, b], T((1, 16, 16, 4), np.int8, os, zo),
             inputs=[[np.arange(-128, 128, dtype=np.int8).reshape(1, 16, 16, 1)]])
    big = const(np.full((1, 3, 3, 64), 127, np.int8), scale=np.float32(0.01))
    conv(s, "conv_s8_extreme_sums", same, [T((1, 5, 5, 64), np.int8, 0.1, -128), big, const(np.array([2 ** 31 - 1], np.int32), scale=0.001)], T((1, 5, 5, 1), np.int8, 100.0, 0),
         inputs=[[np.full((1, 5, 5, 64), 127, np.int8)]])


def unsigned(s):
    """uint8: LiteRT's reference; weights have a zero point, and one factor comes from the float32 product of two scales."""
    for tag, (h, w, c, o, kh, kw, *_), opts, ho, wo in each(s):
        for zw in (0, 255, 131):
            ws = np.float32(s.rng.integers(50, 150) / 9973)
            wt = const(ints(s, 0, 256, (o, kh, kw, c), np.uint8), scale=ws, zero=zw)
            conv(s, f"conv_u8_{tag}_{zw}", opts, [T((1, h, w, c), np.uint8, XS, 117), wt, bias(s, o, XS, ws)], T((1, ho, wo, o), np.uint8, 0.37, 101),
                 samples=1, oracle="litert")
        oc = 2 * c
        wt = const(ints(s, 0, 256, (1, kh, kw, oc), np.uint8), scale=ws, zero=140)
        depthwise(s, f"depthwise_u8_{tag}", opts, 2, [T((1, h, w, c), np.uint8, XS, 255), wt, bias(s, oc, XS, ws)], T((1, ho, wo, oc), np.uint8, 0.31, 0),
                  samples=1, oracle="litert")


def wide(s):
    """int16 activations: int64 and int32 bias, none; weights with one or many scales, int4 weights."""
    xs, os = np.float32(0.0007), np.float32(0.02)
    for tag, (h, w, c, o, kh, kw, *_, pc), opts, ho, wo in each(s):
        x, y = T((1, h, w, c), np.int16, xs), T((1, ho, wo, o), np.int16, os)
        wt, ws = weights(s, (o, kh, kw, c), o, 0, pc)
        conv(s, "conv_s16_b64_" + tag, opts, [x, wt, bias(s, o, xs, ws, np.int64, 10 ** 6)], y)
        conv(s, "conv_s16_b32_" + tag, dict(opts, quantizedBiasType=2), [x, wt, bias(s, o, xs, ws, np.int32, 10 ** 6)], y)
        conv(s, "conv_s16_no_bias_" + tag, opts, [x, wt], y, samples=1)
        w4, ws = weights(s, (o, kh, kw, c), o, 0, pc, INT4)
        conv(s, "conv_s16_s4_" + tag, opts, [x, w4, bias(s, o, xs, ws, np.int64, 10 ** 5)], y, samples=1, oracle="litert")
        for mult in (1, 2):
            oc = c * mult
            wt, ws = weights(s, (1, kh, kw, oc), oc, 3, pc)
            depthwise(s, f"depthwise_s16_{tag}_x{mult}", opts, mult, [x, wt, bias(s, oc, xs, ws, np.int64, 10 ** 6)], T((1, ho, wo, oc), np.int16, 0.01))
    same = {"padding": SAME, "strideH": 1, "strideW": 1}
    wt, ws = weights(s, (1, 3, 3, 2), 2, 3, True)
    depthwise(s, "depthwise_s16_no_bias", same, 1, [T((1, 4, 4, 2), np.int16, xs), wt], T((1, 4, 4, 2), np.int16, 0.01))
    wt, ws = weights(s, (6, 2, 2, 2), 6, 0, True)
    conv(s, "conv_s16_groups", same, [T((1, 5, 5, 6), np.int16, xs), wt, bias(s, 6, xs, ws, np.int64)], T((1, 5, 5, 6), np.int16, os))
    # sums beyond int32: with an int32 bias they wrap, with int64 they do not
    full = const(np.full((1, 1, 1, 1024), 127, np.int8), scale=np.float32([0.01]))
    x = [[np.full((1, 1, 2, 1024), 32767, np.int16)], [np.full((1, 1, 2, 1024), -32768, np.int16)]]
    conv(s, "conv_s16_sum_b64", same, [T((1, 1, 2, 1024), np.int16, xs), full, const(np.array([7 ** 11], np.int64), scale=xs)], T((1, 1, 2, 1), np.int16, 1.0), inputs=x)
    conv(s, "conv_s16_sum_b32", dict(same, quantizedBiasType=2), [T((1, 1, 2, 1024), np.int16, xs), full, const(np.array([7 ** 11], np.int32), scale=xs)],
         T((1, 1, 2, 1), np.int16, 1.0), inputs=x)
    # factors: tiny, near 128 with short sums, mantissas that round to the ends of 15 bits
    for tag, a, b, o in [("tiny", 1e-6, 1e-3, 1.0), ("large", 1.0, 1.0, 0.008), ("mantissa", 0.99999994, 1.0, 1.0), ("fifteen_bits", 0.99998, 1.0, 1.0), ("tie", 0.5, 1.0, 1.0)]:
        one = const(np.array([1, -1, 3], np.int8).reshape(3, 1, 1, 1), scale=np.full(3, b, np.float32))
        bb = const(np.array([0, 1, -1], np.int64), scale=np.full(3, a * b, np.float32))
        conv(s, "conv_s16_scale_" + tag, same, [T((1, 8, 8, 1), np.int16, a), one, bb], T((1, 8, 8, 3), np.int16, o))


def narrow(s):
    """int4 weights with int8 activations."""
    for tag, (h, w, c, o, kh, kw, *_, pc), opts, ho, wo in each(s):
        x = T((1, h, w, c), np.int8, XS, 4)
        wt, ws = weights(s, (o, kh, kw, c), o, 0, pc, INT4)
        conv(s, "conv_s4_" + tag, opts, [x, wt, bias(s, o, XS, ws)], T((1, ho, wo, o), np.int8, 0.03, 7))
        wt, ws = weights(s, (1, kh, kw, 2 * c), 2 * c, 3, pc, INT4)
        depthwise(s, "depthwise_s4_" + tag, opts, 2, [x, wt, bias(s, 2 * c, XS, ws)], T((1, ho, wo, 2 * c), np.int8, 0.03, 7))


def hybrid(s):
    """float32 activations with int8 and int4 weights: LiteRT's reference."""
    for tag, (h, w, c, o, kh, kw, *_), opts, ho, wo in each(s):
        x, y = T((2, h, w, c), np.float32), T((2, ho, wo, o), np.float32)
        for pc in (True, False):
            kind = "pc" if pc else "pt"
            wt, _ = weights(s, (o, kh, kw, c), o, 0, pc)
            conv(s, f"conv_hybrid_{kind}_{tag}", opts, [x, wt, floats(s, o)], y, samples=1, oracle="litert")
            w4, _ = weights(s, (o, kh, kw, c), o, 0, pc, INT4)
            conv(s, f"conv_hybrid_s4_{kind}_{tag}", opts, [x, w4, floats(s, o)], y, samples=1, oracle="litert")
        wt, _ = weights(s, (1, kh, kw, 2 * c), 2 * c, 3, True)
        depthwise(s, "depthwise_hybrid_" + tag, opts, 2, [x, wt, floats(s, 2 * c)], T((2, ho, wo, 2 * c), np.float32), samples=1, oracle="litert")
    same = {"padding": SAME, "strideH": 1, "strideW": 1}
    wt, _ = weights(s, (6, 2, 2, 2), 6, 0, True)
    conv(s, "conv_hybrid_groups", same, [T((1, 5, 5, 6), np.float32), wt, floats(s, 6)], T((1, 5, 5, 6), np.float32), oracle="litert")
    wt, _ = weights(s, (3, 2, 2, 2), 3, 0, True)
    x = T((3, 3, 3, 2), np.float32)
    conv(s, "conv_hybrid_ranges", same, [x, wt, floats(s, 3)], T((3, 3, 3, 3), np.float32), oracle="litert", inputs=[
        [np.zeros(x.shape, np.float32)], [np.abs(s.sample(x))], [-np.abs(s.sample(x)) * np.float32(1e-3)],
        [np.stack([s.sample(T((3, 3, 2), np.float32)) * np.float32(10.0 ** (3 * i)) for i in range(3)])]])


def stored(s):
    """Weights that arrive through DEQUANTIZE: float16, int8 with one scale or one per channel, int4. No oracle reads bfloat16 here."""
    w8, w4 = ints(s, -127, 128, (3, 3, 3, 2), np.int8), ints(s, -8, 8, (3, 3, 3, 2), np.int8).astype(INT4)
    for name, w, version in [("f16", const(quantized_bits(s.rng, 3, 3, 3, 2).astype(np.float16)), 3), ("s8", const(w8, scale=0.0123, zero=5), 2),
                             ("s8_per_channel", const(w8, scale=scales(s, 3)), 5), ("s4", const(w4, scale=0.13), 6), ("s4_per_channel", const(w4, scale=scales(s, 3)), 6)]:
        x, y, b = T((1, 4, 5, 2), np.float32), T((1, 4, 5, 3), np.float32), const(quantized_bits(s.rng, 3).astype(np.float16))
        wf, bf = T(w.shape, np.float32), T(b.shape, np.float32)
        s.add_model("conv_stored_" + name, [Graph([x], [y], [Op("DEQUANTIZE", None, [w], [wf], version), Op("DEQUANTIZE", None, [b], [bf], 3),
                    Op("CONV_2D", ("Conv2DOptions", {"padding": SAME, "strideH": 1, "strideW": 1}), [x, wf, bf], [y])])], op="CONV_2D", oracle="litert")


def cases(s):
    s.ulp, s.of_max = 0, False
    for f in (signed, unsigned, wide, narrow, hybrid, stored):
        f(s)
