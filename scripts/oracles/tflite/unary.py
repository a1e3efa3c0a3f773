"""Elementwise operators with one input, quantization, softmax."""
import numpy as np

from suite import ACTS, SAME, VALID, T, const, span


def unary(s):
    n = (1, 2048)
    for sc, z in ((0.05, 3), (0.0039, -128), (0.21, 100)):
        t = f"{sc}_{z}"
        s.add(f"logistic_s8_{t}", "LOGISTIC", None, [T(n, np.int8, sc, z)], T(n, np.int8, 1 / 256, -128), samples=1)
        s.add(f"tanh_s8_{t}", "TANH", None, [T(n, np.int8, sc, z)], T(n, np.int8, 1 / 128, 0), samples=1)
        s.add(f"relu_s8_{t}", "RELU", None, [T(n, np.int8, sc, z)], T(n, np.int8, sc * 0.7, -120), 2, samples=1)
        s.add(f"requantize_s8_{t}", "QUANTIZE", None, [T(n, np.int8, sc, z)], T(n, np.int8, 0.0471, 13), 2, samples=1)
        s.add(f"quantize_f32_{t}", "QUANTIZE", None, [T(n, np.float32)], T(n, np.int8, sc, z), samples=1)
        s.add(f"dequantize_s8_{t}", "DEQUANTIZE", None, [T(n, np.int8, sc, z)], T(n, np.float32), 2, samples=1)
    # exact ties: values of (k + 1/2) × scale
    s.add("quantize_f32_ties", "QUANTIZE", None, [T(n, np.float32)], T(n, np.int8, 1 / 256, 0), samples=1)
    s.add("quantize_f32_ties_wide", "QUANTIZE", None, [T(n, np.float32)], T(n, np.int8, 1 / 16, -3), samples=1)
    s.add("relu6_s8", "RELU6", None, [T(n, np.int8, 0.05, -20)], T(n, np.int8, 0.05, -20), 2, samples=1)
    for op in ("LOGISTIC", "TANH", "RELU", "RELU6"):
        s.add(f"{op.lower()}_f32", op, None, [T(n, np.float32)], T(n, np.float32), samples=1)
    for i, (shape, sc, beta) in enumerate([((4, 10), 0.07, 1.0), ((1, 12), 0.3, 1.0), ((3, 1000), 0.02, 1.0), ((2, 3, 4, 5), 0.11, 2.0), ((64, 2), 0.0007, 1.0)]):
        o = ("SoftmaxOptions", {"beta": beta})
        s.add(f"softmax_s8_{i}", "SOFTMAX", o, [T(shape, np.int8, sc, 5)], T(shape, np.int8, 1 / 256, -128), 2, samples=3)
        s.add(f"softmax_f32_{i}", "SOFTMAX", o, [T(shape, np.float32)], T(shape, np.float32), samples=1)


def signs(s):
    u = dict(scale=0.05, zero=121)
    s.add("quantize_u8_s8", "QUANTIZE", None, [T((1, 300), np.uint8, **u)], T((1, 300), np.int8, 0.05, -7), samples=1)
    s.add("quantize_u8_s8_scaled", "QUANTIZE", None, [T((1, 300), np.uint8, **u)], T((1, 300), np.int8, 0.043, -70), samples=1)
    s.add("quantize_s8_u8", "QUANTIZE", None, [T((1, 300), np.int8, 0.05, -7)], T((1, 300), np.uint8, 0.021, 12), samples=1)


def cases(s):
    s.ulp = 4
    unary(s)
    signs(s)
