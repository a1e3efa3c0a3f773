"""Pools: windows over images. tflite-micro decides; LiteRT's reference resolver for uint8, which it lacks."""
import numpy as np

from suite import ACTS, SAME, VALID, T, span

WINDOWS = [(6, 6, 3, 2, 2, 2, 2, VALID, "none"), (5, 7, 4, 3, 3, 2, 2, SAME, "none"), (25, 5, 8, 25, 5, 25, 5, VALID, "none"), (4, 4, 2, 3, 2, 1, 1, SAME, "relu6"),
           (7, 5, 3, 2, 3, 1, 2, SAME, "relu"), (5, 5, 2, 3, 3, 3, 1, VALID, "relu_n1_to_1"), (3, 3, 5, 5, 4, 1, 1, SAME, "none"), (1, 9, 1, 1, 4, 1, 3, SAME, "none"),
           (4, 6, 2, 1, 1, 2, 3, VALID, "none"), (11, 3, 2, 4, 2, 5, 2, SAME, "relu"), (2, 2, 7, 2, 2, 1, 1, VALID, "none")]
QUANT = {np.int8: [(0.05, -9), (0.031, 127), (0.08, -128)], np.uint8: [(0.05, 119), (0.031, 255), (0.08, 0)], np.int16: [(0.0005, 0), (0.0003, 0), (0.0001, 0)]}
SHORT = {np.float32: "f32", np.int8: "s8", np.uint8: "u8", np.int16: "s16"}


def cases(s):
    for i, (h, w, c, kh, kw, sh, sw, pad, act) in enumerate(WINDOWS):
        ho, wo = span(h, kh, sh, 1, pad), span(w, kw, sw, 1, pad)
        o = ("Pool2DOptions", {"padding": pad, "strideH": sh, "strideW": sw, "filterHeight": kh, "filterWidth": kw, "fusedActivationFunction": ACTS[act]})
        n = 1 + i % 2
        for dtype in SHORT:
            for op in ["AVERAGE_POOL_2D", "MAX_POOL_2D"] + ["L2_POOL_2D"] * (dtype == np.float32):
                q = QUANT[dtype][i % 3] if dtype in QUANT else ()
                s.add(f"{op.lower()}_{SHORT[dtype]}_{i}", op, o, [T((n, h, w, c), dtype, *q)], T((n, ho, wo, c), dtype, *q),
                      {np.float32: 1, np.int16: 3}.get(dtype, 2), samples=1 if dtype == np.float32 else 2, oracle="litert" if dtype == np.uint8 else "tflm")
                if q and i in (1, 8):  # without a scale
                    s.add(f"{op.lower()}_{SHORT[dtype]}_{i}_plain", op, o, [T((n, h, w, c), dtype)], T((n, ho, wo, c), dtype), 3 if dtype == np.int16 else 2,
                          samples=1, oracle="litert")
