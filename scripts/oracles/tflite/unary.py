"""Elementwise operators with one input: activations, tables, signs, roots."""
import ml_dtypes
import numpy as np

from suite import Graph, Op, T

F32, S8, U8, S16, S32, S64, BOOL = np.float32, np.int8, np.uint8, np.int16, np.int32, np.int64, np.bool_
ALL8 = np.arange(-128, 128).astype(S8).reshape(4, 64)
ALLU8 = np.arange(256).astype(U8).reshape(4, 64)
FLOATS = np.array([0, -0.0, 0.5, -0.5, 1.5, -1.5, 2.5, 1e-30, -1e-30, 1e-40, 3.4e38, -3.4e38, np.inf, -np.inf, np.nan, 6, 6.0001, -1, 1, 88.7, -87.3, 1 / 3,
                   100.25, 1e-5, -1e-5, 3e-4, 16777215, -8388607.5, 0.49999997, 2147483648], F32)


def words(s, n=160, low=-32768):
    """int16 values over the whole range, with its ends and what surrounds zero."""
    a = np.linspace(low, 32767, n - 10).astype(S16) + s.rng.integers(0, 100, n - 10).astype(S16)
    a[a < low] = 32767  # wrapped
    return np.concatenate([np.array([low, 32767, 0, 1, max(low, -1), 127, 128, max(low, -128), max(low, -129), 255], S16), a]).reshape(10, -1)


def one(s, name, op, x, out, options=None, version=1, oracle="tflm", **quant):
    """A case with one operator that sees all of x."""
    s.add(name, op, options, [T(x.shape, x.dtype, **quant)], out, version, inputs=[[x]], oracle=oracle)


def scaled(s, op, tag, x, pairs, options=None, version=1, oracle="tflm", out=None):
    """One case per ((input scale, zero point), (output scale, zero point))."""
    for i, ((si, zi), (so, zo)) in enumerate(pairs):
        one(s, f"{op.lower()}_{tag}_{i}", op, x, T(x.shape, out or x.dtype, so, zo), options, version, oracle, scale=si, zero=zi)


PAIRS8 = [((0.05, 3), (0.05, 3)), ((0.05, 3), (0.035, -120)), ((0.0039, -128), (0.1, 127)), ((0.21, 100), (0.013, -128)), ((1.7, 0), (0.0017, 5)),
          ((0.013, 127), (0.013, -128)), ((0.0313, -7), (0.0626, 11)), ((0.5, 0), (0.5, 0)), ((0.099, -128), (0.02349, -128))]


def shift(pairs):
    return [((a, b + 128), (c, d + 128)) for (a, b), (c, d) in pairs]


def flat(pairs):
    return [((a / 256, 0), (c / 256, 0)) for (a, _), (c, _) in pairs]


def relus(s):
    for op, oracle in (("RELU", "tflm"), ("RELU6", "tflm"), ("RELU_N1_TO_1", "litert"), ("RELU_0_TO_1", "litert")):
        one(s, f"{op.lower()}_f32", op, FLOATS[:28], T((28,), F32), oracle=oracle)
        # tflite-micro's RELU6 does not rescale: it is asked only where nothing is to rescale.
        for i, pair in enumerate(PAIRS8):
            o = "litert" if op == "RELU6" and pair[0] != pair[1] else oracle
            scaled(s, op, f"s8_{i}", ALL8, [pair], oracle=o)
        scaled(s, op, "u8", ALLU8, shift(PAIRS8), oracle="litert")
        if oracle == "tflm":
            for i, pair in enumerate(flat(PAIRS8)):
                o = "litert" if op == "RELU6" and pair[0] != pair[1] else oracle
                scaled(s, op, f"s16_{i}", words(s), [pair], oracle=o)
    s.add("relu_f32_scalar", "RELU", None, [T((), F32)], T((), F32))
    s.add("relu_f32_rank6", "RELU", None, [T((1, 2, 1, 3, 2, 1), F32)], T((1, 2, 1, 3, 2, 1), F32))


def leaky(s):
    for k, alpha in enumerate((0.1, 0.3, -0.2, 1.5, 0.0, 1.0)):
        o = ("LeakyReluOptions", {"alpha": alpha})
        one(s, f"leaky_relu_f32_{k}", "LEAKY_RELU", FLOATS[:28], T((28,), F32), o)
        scaled(s, "LEAKY_RELU", f"s8_{k}", ALL8, PAIRS8[k:k + 4], o)
        scaled(s, "LEAKY_RELU", f"u8_{k}", ALLU8, shift(PAIRS8[k:k + 2]), o, oracle="litert")
        scaled(s, "LEAKY_RELU", f"s16_{k}", words(s), flat(PAIRS8[k:k + 4]), o, oracle="litert")


def sigmoids(s):
    s.ulp = 1
    for op in ("LOGISTIC", "TANH"):
        one(s, f"{op.lower()}_f32", op, np.concatenate([FLOATS, np.linspace(-12, 12, 90).astype(F32)]), T((120,), F32))
        out = (1 / 256, -128) if op == "LOGISTIC" else (1 / 128, 0)
        scales = [(0.05, 3), (0.0039, -128), (0.21, 100), (0.001, 0), (0.125, -3), (0.0625, 0), (0.03, 127), (0.5, -20), (0.11, 7), (8.0, 0), (0.0234375, 64)]
        scaled(s, op, "s8", ALL8, [(q, out) for q in scales])
        scaled(s, op, "u8", ALLU8, shift([(q, out) for q in scales]), oracle="litert")
        scaled(s, op, "s16", words(s), [((q, 0), (1 / 32768, 0)) for q in
               (1 / 4096, 1 / 2048, 1 / 8192, 1 / 1024, 0.0003, 0.001, 0.00005, 1 / 32768, 0.004, 2.0, 1e-9, 0.000244)])


def hard_swish(s):
    s.ulp = 0
    one(s, "hard_swish_f32", "HARD_SWISH", FLOATS[:28], T((28,), F32))
    pairs = PAIRS8[:4] + PAIRS8[5:] + [((0.0235, 0), (0.0118, -110)), ((0.9, 3), (0.9, 3)), ((4.0, -20), (2.0, -128)), ((0.0041, 50), (1.9, 0)), ((0.002, 50), (1.9, 0)), ((1e-8, 3), (1e-8, -3)), ((0.03, 0), (0.00025, -128))]
    scaled(s, "HARD_SWISH", "s8", ALL8, pairs)
    scaled(s, "HARD_SWISH", "u8", ALLU8, shift(pairs), oracle="litert")


def tables(s):
    near = np.concatenate([FLOATS[:10], FLOATS[15:], np.linspace(-9, 9, 60).astype(F32)])
    s.ulp = 1
    one(s, "exp_f32", "EXP", near, T(near.shape, F32))
    one(s, "exp_f32_special", "EXP", FLOATS, T(FLOATS.shape, F32))
    one(s, "elu_f32", "ELU", FLOATS, T(FLOATS.shape, F32))
    one(s, "elu_f32_line", "ELU", near, T(near.shape, F32))
    small = [((0.02, 3), (0.05, -100)), ((0.05, -128), (0.9, -128)), ((0.01, 127), (0.0039, -128)), ((0.03, 0), (0.2, 17)), ((0.1, 100), (0.1, -120)), ((0.017, -20), (0.07, -128))]
    scaled(s, "EXP", "s8", ALL8, small, oracle="litert")
    scaled(s, "EXP", "s16", words(s), [((q, 0), (r, 0)) for q, r in ((1 / 8192, 1 / 512), (1 / 32768, 1 / 8192), (0.0002, 0.02), (0.0001, 0.0008))], oracle="litert")
    scaled(s, "ELU", "s8", ALL8, PAIRS8)
    for t in (False, True):
        o = ("GeluOptions", {"approximate": t})
        n = "tanh" if t else "erf"
        line = np.linspace(-4, 8, 100).astype(F32)
        s.ulp, s.of_max = (1, True) if t else (4, False)  # 1 + tanh cancels
        one(s, f"gelu_f32_{n}", "GELU", line, T(line.shape, F32), o, oracle="litert")
        scaled(s, "GELU", f"s8_{n}", ALL8, PAIRS8, o, oracle="litert")
        scaled(s, "GELU", f"u8_{n}", ALLU8, shift(PAIRS8), o, oracle="litert")
        scaled(s, "GELU", f"s16_{n}", words(s), flat(PAIRS8), o, oracle="litert")
    s.ulp, s.of_max = 1, False
    up = np.abs(near) + F32(1e-3)
    one(s, "log_f32", "LOG", up, T(up.shape, F32))
    one(s, "log_f32_special", "LOG", FLOATS, T(FLOATS.shape, F32))
    logs = [((0.05, 3), (0.05, -3)), ((0.02, -128), (0.04, 20)), ((0.3, -100), (0.03, -100)), ((0.007, 0), (0.05, 127)), ((0.1, -128), (0.03, -128))]
    scaled(s, "LOG", "s8", ALL8, logs, oracle="litert")
    scaled(s, "LOG", "s16", words(s), [((q, 0), (r, 0)) for q, r in ((0.001, 0.0005), (0.0001, 0.0003), (0.01, 0.0002))], oracle="litert")


def arithmetic(s):
    s.ulp = 1
    x = np.concatenate([FLOATS, np.linspace(-300, 300, 90).astype(F32)])
    for op, x in (("SIN", x), ("COS", x)):
        one(s, f"{op.lower()}_f32", op, x, T(x.shape, F32))
    s.ulp = 0
    for op, oracle in (("SQRT", "tflm"), ("RSQRT", "tflm"), ("SQUARE", "tflm"), ("ABS", "tflm"), ("NEG", "tflm"), ("FLOOR", "tflm"), ("CEIL", "tflm"),
                       ("ROUND", "tflm"), ("SIGN", "litert")):
        x = FLOATS[:28] if op == "SIGN" else FLOATS
        one(s, f"{op.lower()}_f32", op, x, T(x.shape, F32), oracle=oracle)
        s.add(f"{op.lower()}_f32_line", op, None, [T((3, 7, 5), F32)], T((3, 7, 5), F32), oracle=oracle)
        s.add(f"{op.lower()}_f32_scalar", op, None, [T((), F32)], T((), F32), oracle=oracle)
    scaled(s, "ABS", "s8", ALL8, PAIRS8)
    scaled(s, "ABS", "s16", words(s), flat(PAIRS8))
    x = words(s)
    one(s, "abs_s16_plain", "ABS", x, T(x.shape, S16))
    one(s, "neg_s16_plain", "NEG", x, T(x.shape, S16), oracle="litert")
    one(s, "neg_s8_plain", "NEG", ALL8, T(ALL8.shape, S8), oracle="litert")
    one(s, "neg_s8_scaled", "NEG", ALL8, T(ALL8.shape, S8, 0.05, 9), oracle="litert", scale=0.05, zero=9)
    for d, ops in ((S32, ("ABS", "NEG", "SIGN")), (S64, ("NEG",))):
        i = np.iinfo(d)
        x = np.concatenate([np.array([i.max, i.min + 1, 0, 1, -1], d), s.rng.integers(i.min + 1, i.max, 25, dtype=d)])
        for op in ops:
            one(s, f"{op.lower()}_{np.dtype(d).name}", op, x, T(x.shape, d), oracle="litert")
    for i, ((si, zi), (so, zo)) in enumerate([((0.05, 3), (0.05, -10)), ((0.002, -128), (0.1, -128)), ((0.5, 0), (0.013, 127)), ((0.0039, 100), (0.3, 0)), ((1.0, -128), (1 / 128, 0))]):
        x = np.arange(zi, 128).astype(S8)
        one(s, f"rsqrt_s8_{i}", "RSQRT", x, T(x.shape, S8, so, zo), scale=si, zero=zi)
    for i, (si, so) in enumerate([(0.001, 0.001), (0.00003, 0.02), (1 / 32768, 1 / 64), (0.7, 0.0001)]):
        x = words(s, low=0)
        one(s, f"rsqrt_s16_{i}", "RSQRT", x, T(x.shape, S16, so), scale=si, zero=0)
    s.add("logical_not", "LOGICAL_NOT", None, [T((3, 11), BOOL)], T((3, 11), BOOL))
    s.add("logical_not_scalar", "LOGICAL_NOT", None, [T((), BOOL)], T((), BOOL))


def halves(s):
    """16-bit floats: their kernels round in between, ours do not."""
    x = np.concatenate([np.linspace(-8, 8, 61), [0, -0.0, 0.5, 1.5, -2.5, 300, -300, 1e-4]]).astype(np.float16)
    for op, ulp, options, oracle in (("NEG", 0, None, "litert"), ("FLOOR", 0, None, "litert"), ("ROUND", 0, None, "builtin"), ("SIN", 0, None, "litert"), ("COS", 0, None, "litert"),
                                     ("GELU", 1, ("GeluOptions", {"approximate": False}), "litert"), ("LOGISTIC", 0, None, "litert"), ("TANH", 0, None, "litert"),
                                     ("SOFTMAX", 0, ("SoftmaxOptions", {"beta": 1.0}), "litert")):
        s.ulp, s.of_max = ulp, op == "GELU"
        one(s, f"{op.lower()}_f16", op, x, T(x.shape, np.float16), options, oracle=oracle)
        s.of_max = False
        if op not in ("SIN", "COS", "GELU", "SOFTMAX"):
            i, a, b, o = T(x.shape, F32), T(x.shape, ml_dtypes.bfloat16), T(x.shape, ml_dtypes.bfloat16), T(x.shape, F32)
            ops = [Op("CAST", None, [i], [a]), Op(op, options, [a], [b]), Op("CAST", None, [b], [o])]
            s.add_model(f"{op.lower()}_bf16", [Graph([i], [o], ops)], op=op, inputs=[[x.astype(F32)]], oracle=oracle)


def fake_quant(s):
    s.ulp = 0
    line = np.concatenate([np.linspace(-7, 7, 101), [np.nan, np.inf, -np.inf, 0, -0.0]]).astype(F32)
    for i, (lo, hi, bits) in enumerate([(-1, 1, 8), (-6, 6, 8), (0, 6, 8), (-0.3, 5.1, 4), (-3, 0, 2), (0.5, 3, 8), (-5, -1, 16), (-4, 4.01, 16)]):
        o = ("FakeQuantOptions", {"min": float(lo), "max": float(hi), "numBits": bits})
        one(s, f"fake_quant_{i}", "FAKE_QUANT", line, T(line.shape, F32), o, oracle="litert")


def cases(s):
    s.ulp = 0
    relus(s)
    leaky(s)
    sigmoids(s)
    hard_swish(s)
    tables(s)
    arithmetic(s)
    halves(s)
    fake_quant(s)
