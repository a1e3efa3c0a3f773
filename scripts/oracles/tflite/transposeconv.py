"""Transposed and three-dimensional convolutions."""
import numpy as np

from conv import XS, bias, floats, ints, weights
from suite import ACTS, SAME, VALID, Graph, Op, T, const, span


def transposed(s):
    xs = np.float32(0.0007)
    for i, (h, w, c, o, kh, kw, sh, sw, pad, pc, act) in enumerate([
            (3, 4, 2, 3, 3, 3, 2, 2, SAME, True, "none"), (4, 3, 3, 2, 2, 2, 2, 2, VALID, True, "none"), (2, 2, 5, 1, 1, 1, 1, 1, SAME, False, "none"),
            (3, 3, 1, 4, 4, 2, 1, 3, VALID, True, "none"), (5, 2, 2, 2, 3, 5, 3, 1, SAME, False, "none"), (1, 12, 8, 4, 1, 4, 1, 2, SAME, True, "none"),
            (2, 3, 2, 2, 1, 1, 3, 2, SAME, True, "none"), (3, 3, 2, 3, 3, 3, 2, 2, VALID, True, "relu")], 1):
        ho, wo = (h * sh, w * sw) if pad == SAME else ((h - 1) * sh + kh, (w - 1) * sw + kw)
        opts = ("TransposeConvOptions", {"padding": pad, "strideH": sh, "strideW": sw, "fusedActivationFunction": ACTS[act]})
        shape = const(np.array([2, ho, wo, o], np.int32))
        tag = f"{i}_{act}"

        def add(name, x, wt, b, y, **kw):
            s.add(f"transpose_conv_{name}_{tag}", "TRANSPOSE_CONV", opts, [shape, wt, T((2, h, w, c), *x)] + ([b] if b is not None else []), T((2, ho, wo, o), *y),
                  version=4 if act != "none" else 3 if b is not None else 1, **kw)

        f = (np.float32,)
        add("f32", f, floats(s, o, kh, kw, c), None, f)
        add("f32_bias", f, floats(s, o, kh, kw, c), floats(s, o), f, samples=1)
        wt, ws = weights(s, (o, kh, kw, c), o, 0, pc)
        add("s8", (np.int8, XS, -7), wt, None, (np.int8, 0.08, 3))
        add("s8_bias", (np.int8, XS, 127), wt, bias(s, o, XS, ws), (np.int8, 0.08, -128), samples=1)
        add("s16", (np.int16, xs), wt, None, (np.int16, 0.009))
        add("s16_b64", (np.int16, xs), wt, bias(s, o, xs, ws, np.int64, 10 ** 6), (np.int16, 0.009), samples=1)
        add("s16_b16", (np.int16, xs), wt, bias(s, o, xs, ws, np.int16, 10 ** 4), (np.int16, 0.009), samples=1)
        add("hybrid", f, wt, floats(s, o), f, samples=1, oracle="litert")
        wu = const(ints(s, 0, 256, (o, kh, kw, c), np.uint8), scale=0.0123, zero=120)
        add("u8", (np.uint8, XS, 128), wu, bias(s, o, XS, np.float32(0.0123)), (np.uint8, 0.1, 99), samples=1, oracle="litert")
        # tflite-micro reads an int32 bias as int64
        s32 = ("TransposeConvOptions", dict(opts[1], quantizedBiasType=2))
        s.add(f"transpose_conv_s16_b32_{tag}", "TRANSPOSE_CONV", s32, [shape, wt, T((2, h, w, c), np.int16, xs), bias(s, o, xs, ws, np.int32, 10 ** 6)],
              T((2, ho, wo, o), np.int16, 0.009), version=4, samples=1, oracle="litert")
    s.add("transpose_conv_f32_computed_weights", "TRANSPOSE_CONV", ("TransposeConvOptions", {"padding": SAME, "strideH": 2, "strideW": 1}),
          [const(np.array([1, 4, 3, 2], np.int32)), T((2, 3, 2, 3), np.float32), T((1, 2, 3, 3), np.float32)], T((1, 4, 3, 2), np.float32))


def media_pipe(s):
    """MediaPipe's operator with a bias. No oracle has it: TRANSPOSE_CONV with the same padding adds the bias last instead of first."""
    for i, (h, w, c, o, kh, kw, sh, sw, pad) in enumerate([
            (3, 4, 2, 3, 3, 3, 2, 2, SAME), (4, 3, 3, 2, 2, 2, 2, 2, VALID), (2, 5, 1, 4, 3, 2, 1, 3, SAME), (3, 3, 4, 1, 4, 4, 2, 1, VALID), (1, 1, 2, 2, 5, 5, 2, 2, SAME)]):
        cut = [max(0, k - (n - 1) % st - 1) if pad == SAME else 0 for n, k, st in ((h, kh, sh), (w, kw, sw))]
        ho, wo = sh * (h - 1) + kh - cut[0], sw * (w - 1) + kw - cut[1]
        wt, b = floats(s, o, kh, kw, c), floats(s, o)
        ins, outs = [T((2, h, w, c), np.float32) for _ in range(2)], [T((2, ho, wo, o), np.float32) for _ in range(2)]
        raw = np.array([1 if pad == SAME else 2, sw, sh, 0], np.int32).tobytes()
        twin = Op("TRANSPOSE_CONV", ("TransposeConvOptions", {"padding": pad, "strideH": sh, "strideW": sw}), [const(np.array([2, ho, wo, o], np.int32)), wt, ins[1], b], [outs[1]], 3)
        s.add_model(f"transpose_conv_bias_{i}", [Graph([ins[0]], [outs[0]], [Op(None, None, [ins[0], wt, b], [outs[0]], custom=("Convolution2DTransposeBias", raw))])],
                    op="CUSTOM:Convolution2DTransposeBias", twin=[Graph([ins[1]], [outs[1]], [twin])])


def volumes(s):
    for i, (d, h, w, c, o, k, st, dil, pad, act) in enumerate([
            (3, 4, 5, 2, 3, (2, 2, 2), (1, 1, 1), (1, 1, 1), SAME, "none"), (4, 5, 6, 1, 2, (3, 2, 1), (1, 2, 3), (1, 1, 1), VALID, "relu"),
            (5, 5, 5, 2, 2, (2, 2, 2), (1, 1, 1), (2, 3, 1), SAME, "relu6"), (1, 1, 1, 3, 4, (1, 1, 1), (1, 1, 1), (1, 1, 1), VALID, "none"),
            (3, 3, 3, 1, 1, (3, 3, 3), (2, 2, 2), (1, 1, 1), SAME, "relu_n1_to_1")], 1):
        opts = {"padding": pad, "strideD": st[0], "strideH": st[1], "strideW": st[2], "dilationDFactor": dil[0], "dilationHFactor": dil[1],
                "dilationWFactor": dil[2], "fusedActivationFunction": ACTS[act]}
        out = [span(n, a, b, e, pad) for n, a, b, e in zip((d, h, w), k, st, dil)]
        for b in (floats(s, o), None):
            s.add(f"conv3d_{i}_{act}" + ("" if b else "_no_bias"), "CONV_3D", ("Conv3DOptions", opts), [T((2, d, h, w, c), np.float32), floats(s, *k, c, o)] + ([b] if b else [None]),
                  T((2, *out, o), np.float32), samples=1, oracle="litert")


def cases(s):
    s.ulp, s.of_max = 0, False
    transposed(s)
    volumes(s)
    s.ulp, s.of_max = 2, True
    media_pipe(s)
