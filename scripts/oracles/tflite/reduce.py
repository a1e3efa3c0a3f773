"""Reductions."""
import numpy as np

from suite import ACTS, SAME, VALID, T, const, span


def means(s):
    for keep in (True, False):
        for i, (shape, axes) in enumerate([((2, 5, 6, 3), (1, 2)), ((1, 4, 4, 8), (3,)), ((2, 7, 5), (1,)), ((3, 4, 5, 6), (2, 1)), ((2, 9), (-1,))]):
            real = {a % len(shape) for a in axes}
            out = tuple(1 if a in real else d for a, d in enumerate(shape) if keep or a not in real)
            o = ("ReducerOptions", {"keepDims": keep})
            ax = const(np.array(axes, np.int32))
            k = "keep" if keep else "drop"
            s.add(f"mean_s8_{k}_{i}", "MEAN", o, [T(shape, np.int8, 0.05, -7), ax], T(out, np.int8, 0.041, 12), 2)
            s.add(f"mean_s8_{k}_{i}_same", "MEAN", o, [T(shape, np.int8, 0.05, -7), ax], T(out, np.int8, 0.05, -7), 2)
            s.add(f"mean_f32_{k}_{i}", "MEAN", o, [T(shape, np.float32), ax], T(out, np.float32), samples=1)


def cases(s):
    s.ulp, s.of_max = 8, True
    means(s)
