"""Pools."""
import numpy as np

from suite import ACTS, SAME, VALID, T, const, span


def pools(s):
    for i, (h, w, c, kh, kw, sh, sw, pad, act) in enumerate([
            (6, 6, 3, 2, 2, 2, 2, VALID, "none"), (5, 7, 4, 3, 3, 2, 2, SAME, "none"),
            (25, 5, 8, 25, 5, 25, 5, VALID, "none"), (4, 4, 2, 3, 2, 1, 1, SAME, "relu6")]):
        ho, wo = span(h, kh, sh, 1, pad), span(w, kw, sw, 1, pad)
        o = ("Pool2DOptions", {"padding": pad, "strideH": sh, "strideW": sw, "filterHeight": kh, "filterWidth": kw,
                               "fusedActivationFunction": ACTS[act]})
        for op in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
            s.add(f"{op.lower()}_s8_{i}", op, o, [T((2, h, w, c), np.int8, 0.05, -9)], T((2, ho, wo, c), np.int8, 0.05, -9), 2)
            s.add(f"{op.lower()}_f32_{i}", op, o, [T((2, h, w, c), np.float32)], T((2, ho, wo, c), np.float32), samples=1)


def cases(s):
    s.ulp, s.of_max = 4, True
    pools(s)
