"""SELECT, SELECT_V2, PRELU and ADD_N."""
import numpy as np

from binary import SHORT, options, quant
from suite import T, const


def prelu(s):
    shapes = [((1, 4, 5, 3), (1, 1, 3)), ((2, 3, 4, 5), (2, 3, 4, 5)), ((6, 7), (7,)), ((1, 3, 4, 2), (3, 4, 1)), ((5,), (1,))]
    for i, (a, b) in enumerate(shapes):
        s.add(f"prelu_f32_{i}", "PRELU", None, [T(a, np.float32), T(b, np.float32)], T(a, np.float32))
        for dtype, slope in ((np.int8, np.int8), (np.uint8, np.uint8), (np.int16, np.int8)):
            oracle = "litert" if dtype == np.uint8 else "tflm"
            d = SHORT[np.dtype(dtype).name] + ("" if slope == dtype else "s8")
            x, y, z = quant(a, dtype, 0.0531, 12), quant(b, slope, 0.0123, -40), quant(a, dtype, 0.0472, -7)
            s.add(f"prelu_{d}_{i}", "PRELU", None, [x, y], z, oracle=oracle)
            if i == 2:
                for k, (p, q, r) in enumerate([(0.7, 0.1, 0.14), (1.0, 0.5, 0.001), (0.001, 0.3, 1.0), (1e-9, 1e-9, 0.1), (0.3, 3.0, 0.25)]):
                    z = [((-128, 127, -128), (127, -128, 127), (0, 0, 0))[k % 3]] * 3
                    x, y, o = quant(a, dtype, p, z[0][0]), quant(b, slope, q, z[1][1]), quant(a, dtype, r, z[2][2])
                    s.add(f"prelu_{d}_scale_{k}", "PRELU", None, [x, y], o, oracle=oracle)


def add_n(s):
    for n in (2, 3, 6):
        for dtype, oracle in ((np.float32, "tflm"), (np.int32, "litert"), (np.int8, "tflm")):
            d = SHORT[np.dtype(dtype).name]
            kw = {"scale": 0.05} if dtype == np.int8 else {}
            out = T((2, 3, 5), dtype, **({"scale": 0.11, "zero": 6} if kw else {}))
            s.add(f"add_n_{d}_{n}", "ADD_N", options("ADD_N"), [T((2, 3, 5), dtype, **kw) for _ in range(n)], out, oracle=oracle)
    for i, (zero, scale, to, zo) in enumerate([(5, 0.1, 0.25, 4), (-40, 0.1, 0.3, -9), (127, 0.5, 1.0, -128), (-128, 0.001, 0.1, 127), (17, 0.3, 1e-5, 0)]):
        s.add(f"add_n_s8_zero_{i}", "ADD_N", options("ADD_N"), [T((4, 8), np.int8, scale, zero) for _ in range(3)], T((4, 8), np.int8, to, zo))


def select(s):
    data = [np.float32, np.int8, np.uint8, np.int16, np.int32, np.uint32, np.int64, np.bool_]
    for dtype in data:
        d = SHORT[np.dtype(dtype).name]
        micro = "tflm" if dtype in (np.float32, np.int8, np.int16) else "litert"
        for i, (c, x, y) in enumerate([((2, 3, 5), (2, 3, 5), (2, 3, 5)), ((5,), (2, 3, 5), (2, 3, 5)), ((2, 1, 1), (2, 3, 1), (1, 1, 5)), ((3, 1), (), (4,)),
                                       ((), (6,), ()), ((1, 2, 1, 2, 1), (2, 1, 3, 1, 2), (2, 2, 3, 2, 2))]):
            out = T(np.broadcast_shapes(c, x, y), dtype)
            s.add(f"select_v2_{d}_{i}", "SELECT_V2", options("SELECT_V2"), [T(c, np.bool_), T(x, dtype), T(y, dtype)], out, oracle=micro)
        for i, (c, x) in enumerate([((2, 3, 5), (2, 3, 5)), ((4,), (4, 3, 2)), ((), (2, 3)), ((7,), (7,)), ((1,), (1, 5))]):
            s.add(f"select_{d}_{i}", "SELECT", options("SELECT"), [T(c, np.bool_), T(x, dtype), T(x, dtype)], T(x, dtype), oracle="litert")
    for dtype, oracle in ((np.int8, "tflm"), (np.uint8, "litert"), (np.int16, "tflm")):
        d = SHORT[np.dtype(dtype).name]
        x, y, z = quant((3, 4), dtype, 0.1, 3), quant((3, 4), dtype, 0.2, 5), quant((3, 4), dtype, 0.1, 3)
        s.add(f"select_v2_{d}_scales", "SELECT_V2", options("SELECT_V2"), [T((3, 1), np.bool_), x, y], z, oracle=oracle)
    s.add("select_v2_six_axes", "SELECT_V2", options("SELECT_V2"), [T((2, 1, 2, 1, 3, 1), np.bool_), T((1, 2, 1, 2, 1, 2), np.int32), T((1,), np.int32)],
          T((2, 2, 2, 2, 3, 2), np.int32), oracle="litert")
    s.add("select_v2_single", "SELECT_V2", options("SELECT_V2"), [T((1,), np.bool_), T((), np.float32), T((1, 1), np.float32)], T((1, 1, 1), np.float32), oracle="tflm")
    s.add("select_v2_const", "SELECT_V2", options("SELECT_V2"), [T((2, 4), np.bool_), T((2, 4), np.float32), const(np.float32(-3e38))], T((2, 4), np.float32))


def cases(s):
    s.ulp = 0
    prelu(s)
    add_n(s)
    select(s)
