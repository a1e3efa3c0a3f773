"""Operators along rows: softmax, log-softmax, normalizations."""
import numpy as np

from suite import T

F32, S8, U8, S16 = np.float32, np.int8, np.uint8, np.int16
ROWS = [((4, 10), 0.07, 1.0), ((1, 12), 0.3, 1.0), ((3, 200), 0.02, 1.0), ((2, 3, 4, 5), 0.11, 2.0), ((64, 2), 0.0007, 1.0), ((7,), 0.9, 0.3), ((5, 1), 0.05, 1.0),
        ((2, 1, 2, 2, 9), 0.19, 1.0), ((1, 1700), 0.05, 1.0), ((3, 31), 11.0, 0.1), ((2, 17), 0.0625, 5.0)]


def softmax(s):
    for i, (shape, sc, beta) in enumerate(ROWS):
        o = ("SoftmaxOptions", {"beta": beta})
        zero = (5, -128, 127)[i % 3]
        s.ulp = 0
        s.add(f"softmax_s8_{i}", "SOFTMAX", o, [T(shape, S8, sc, zero)], T(shape, S8, 1 / 256, -128), 2)
        s.add(f"softmax_u8_{i}", "SOFTMAX", o, [T(shape, U8, sc, zero + 128)], T(shape, U8, 1 / 256, 0), 2, oracle="litert")
        s.add(f"softmax_s8_s16_{i}", "SOFTMAX", o, [T(shape, S8, sc, zero)], T(shape, S16, 1 / 65535 if i % 2 else 1 / 65536, -32768), 2)
        s.add(f"softmax_u8_s16_{i}", "SOFTMAX", o, [T(shape, U8, sc, zero + 128)], T(shape, S16, 1 / 65536, -32768), 2, oracle="litert")
        if len(shape) < 5:
            for k, q in enumerate((sc / 256, 1 / 4096)):
                s.add(f"softmax_s16_{i}_{k}", "SOFTMAX", o, [T(shape, S16, q, 0)], T(shape, S16, 1 / 32768, 0), 3)
        s.ulp = 2
        s.add(f"softmax_f32_{i}", "SOFTMAX", o, [T(shape, F32)], T(shape, F32))
    # equal values, two equal maxima, one that leads by a little and by a lot
    s.ulp = 0
    rows = np.array([[7] * 5, [127, 127, -128, -128, 0], [1, 0, 0, 0, 0], [127, -128, -128, -128, -128], [-128] * 5, [10, 9, 8, 7, 6]], S8)
    o = ("SoftmaxOptions", {"beta": 1.0})
    for i, sc in enumerate((0.1, 0.004, 0.0313, 1.5)):
        s.add(f"softmax_s8_rows_{i}", "SOFTMAX", o, [T(rows.shape, S8, sc, 0)], T(rows.shape, S8, 1 / 256, -128), 2, inputs=[[rows]])
        wide = (rows.astype(np.int32) * 256 + 77).clip(-32768, 32767).astype(S16)
        s.add(f"softmax_s16_rows_{i}", "SOFTMAX", o, [T(rows.shape, S16, sc / 256, 0)], T(rows.shape, S16, 1 / 32768, 0), 3, inputs=[[wide]])


def log_softmax(s):
    for i, (shape, sc, _) in enumerate(ROWS):
        zero = (5, -128, 127)[i % 3]
        s.ulp = 0
        s.add(f"log_softmax_s8_{i}", "LOG_SOFTMAX", None, [T(shape, S8, sc, zero)], T(shape, S8, 1 / 16, 127), 2)
        s.add(f"log_softmax_u8_{i}", "LOG_SOFTMAX", None, [T(shape, U8, sc, zero + 128)], T(shape, U8, 1 / 16, 255), 2, oracle="litert")
        s.ulp, s.of_max = 1, True
        s.add(f"log_softmax_f32_{i}", "LOG_SOFTMAX", None, [T(shape, F32)], T(shape, F32))
        s.of_max = False


def l2(s):
    for i, (shape, sc, _) in enumerate(ROWS):
        zero = (5, -128, 127)[i % 3]
        if len(shape) > 4:
            continue
        o = ("L2NormOptions", {})
        s.ulp = 0
        s.add(f"l2_s8_{i}", "L2_NORMALIZATION", o, [T(shape, S8, sc, zero)], T(shape, S8, 1 / 128, 0), 2)
        s.add(f"l2_u8_{i}", "L2_NORMALIZATION", o, [T(shape, U8, sc, zero + 128)], T(shape, U8, 1 / 128, 128), oracle="litert")
        s.add(f"l2_f32_{i}", "L2_NORMALIZATION", o, [T(shape, F32)], T(shape, F32))
    s.ulp = 0
    flat = np.array([[3, 3, 3, 3], [3, 3, 4, 3], [2, 3, 3, 3], [3, 5, 3, 3], [127, 127, -128, -128]], S8)
    s.add("l2_s8_flat", "L2_NORMALIZATION", ("L2NormOptions", {}), [T(flat.shape, S8, 0.05, 3)], T(flat.shape, S8, 1 / 128, 0), 2, inputs=[[flat]])
    s.add("l2_u8_flat", "L2_NORMALIZATION", ("L2NormOptions", {}), [T(flat.shape, U8, 0.05, 131)], T(flat.shape, U8, 1 / 128, 128), inputs=[[(flat ^ -128).view(U8)]], oracle="litert")
    tiny = np.array([[0, 0, 0], [1e-8, 0, 0], [1e-20, 1e-20, 1e-20]], F32)
    s.add("l2_f32_tiny", "L2_NORMALIZATION", ("L2NormOptions", {}), [T(tiny.shape, F32)], T(tiny.shape, F32), inputs=[[tiny]])


def lrn(s):
    s.ulp = 2
    for i, (shape, radius, bias, alpha, beta) in enumerate([((1, 2, 3, 7), 2, 1.0, 0.1, 0.75), ((2, 1, 2, 5), 5, 2.0, 1e-4, 0.75), ((1, 1, 1, 11), 0, 1.0, 1.0, 0.5),
                                                            ((1, 3, 2, 1), 1, 0.5, 0.3, 1.0), ((1, 1, 4, 16), 3, 1.0, 0.02, 0.3)]):
        o = ("LocalResponseNormalizationOptions", {"radius": radius, "bias": bias, "alpha": alpha, "beta": beta})
        s.add(f"lrn_{i}", "LOCAL_RESPONSE_NORMALIZATION", o, [T(shape, F32)], T(shape, F32), oracle="litert")


def cases(s):
    softmax(s)
    log_softmax(s)
    l2(s)
    lrn(s)
