"""Comparisons of two broadcast inputs, LOGICAL_AND and LOGICAL_OR."""
import numpy as np

from binary import DEEP, SHAPES, SHORT, name, quant
from suite import T

COMPARISONS = {"EQUAL": "EqualOptions", "NOT_EQUAL": "NotEqualOptions", "GREATER": "GreaterOptions", "GREATER_EQUAL": "GreaterEqualOptions",
               "LESS": "LessOptions", "LESS_EQUAL": "LessEqualOptions"}


def near(s, a, b, dtype, spread=6):
    """Two inputs whose elements are often equal."""
    if dtype == np.bool_:
        return [s.rng.integers(0, 2, size=shape).astype(dtype) for shape in (a, b)]
    middle = 128 if dtype == np.uint8 else 0
    return [(middle + s.rng.integers(-spread, spread + 1, size=shape)).astype(dtype) for shape in (a, b)]


def numbers(s, op, kind, dtype):
    """tflite-micro has no int16 but in GREATER, where it compares without having set the scales up."""
    d = SHORT[np.dtype(dtype).name]
    for i, (a, b) in enumerate(SHAPES[:5] + SHAPES[5:6] + SHAPES[7:8]):
        out = T(np.broadcast_shapes(a, b), np.bool_)
        s.add(name(op, d, i), op, (kind, {}), [T(a, dtype), T(b, dtype)], out, oracle="litert" if dtype == np.int16 else "tflm",
              inputs=[near(s, a, b, dtype)] + ([[s.sample(T(a, dtype), edge=True), s.sample(T(b, dtype), edge=True)]] if i == 0 else []))


def scaled(s, op, kind, dtype):
    d = SHORT[np.dtype(dtype).name]
    oracle = "litert" if dtype in (np.uint8, np.int16) else "tflm"
    for i, (a, b) in enumerate(SHAPES[:3] + SHAPES[7:8]):
        x, y = quant(a, dtype, 0.05, 2), quant(b, dtype, 0.1, -1)
        s.add(name(op, d, "scale", i), op, (kind, {}), [x, y], T(np.broadcast_shapes(a, b), np.bool_), oracle=oracle, inputs=[near(s, a, b, dtype, 20)])
    extremes = [(0.5, 0.25), (0.99999994, 0.5), (1e-3, 0.9), (1e-9, 1e-9), (0.3, 0.1), (0.0039215689, 0.0039215689), (1e-12, 0.7)]
    for i, (p, q) in enumerate(extremes):
        za, zb = ((-128, 127), (127, -128), (0, 0))[i % 3]
        x, y = quant((6, 9), dtype, p, za), quant((6, 9), dtype, q, zb)
        s.add(name(op, d, "scales", i), op, (kind, {}), [x, y], T((6, 9), np.bool_), oracle=oracle, samples=1)


def cases(s):
    for op, kind in COMPARISONS.items():
        equality = op in ("EQUAL", "NOT_EQUAL")
        for dtype in (np.float32, np.int16, np.int32, np.int64) + ((np.bool_,) if equality else ()):
            if op != "NOT_EQUAL" or dtype != np.int16:  # LiteRT leaves the output of this one unwritten
                numbers(s, op, kind, dtype)
        for dtype in (np.int8, np.uint8, np.int16):
            scaled(s, op, kind, dtype)
        t = T((8,), np.float32)
        f = np.array([np.nan, 1, np.nan, np.inf, -np.inf, 0, -0.0, 1e-45], np.float32)
        g = np.array([1, np.nan, np.nan, np.inf, np.inf, -0.0, 0, 0], np.float32)
        s.add(name(op, "f32_nan"), op, (kind, {}), [t, T((8,), np.float32)], T((8,), np.bool_), inputs=[[f, g]])
    for op, kind in (("LOGICAL_AND", "LogicalAndOptions"), ("LOGICAL_OR", "LogicalOrOptions")):
        for i, (a, b) in enumerate(SHAPES + DEEP[:1]):
            s.add(name(op, i), op, (kind, {}), [T(a, np.bool_), T(b, np.bool_)], T(np.broadcast_shapes(a, b), np.bool_))
