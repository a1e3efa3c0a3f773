"""Operators that move data."""
import numpy as np

from suite import ACTS, SAME, VALID, T, const, span


def moves(s):
    for i, (shape, pads) in enumerate([((1, 3, 4, 2), ((0, 0), (1, 2), (0, 3), (0, 0))), ((2, 3, 1, 2), ((1, 0), (0, 0), (2, 2), (1, 1)))]):
        out = tuple(d + a + b for d, (a, b) in zip(shape, pads))
        p = const(np.array(pads, np.int32))
        q = dict(scale=0.05, zero=-7)
        s.add(f"pad_s8_{i}", "PAD", None, [T(shape, np.int8, **q), p], T(out, np.int8, **q), 2)
        s.add(f"pad_f32_{i}", "PAD", None, [T(shape, np.float32), p], T(out, np.float32), samples=1)
        s.add(f"padv2_s8_{i}", "PADV2", None, [T(shape, np.int8, **q), p, const(np.array([33], np.int8), **q)], T(out, np.int8, **q), 2)
        s.add(f"padv2_f32_{i}", "PADV2", None, [T(shape, np.float32), p, const(np.array([1.5], np.float32))], T(out, np.float32), samples=1)
    q = dict(scale=0.05, zero=-7)
    for axis in (0, 1, -1):
        a, b = [2, 3, 4], [2, 3, 4]
        b[axis] = 5
        out = list(a)
        out[axis] += 5
        for dt, kw in ((np.int8, q), (np.float32, {})):
            s.add(f"concatenation_{np.dtype(dt)}_{axis}", "CONCATENATION", ("ConcatenationOptions", {"axis": axis}),
                [T(a, dt, **kw), T(b, dt, **kw)], T(out, dt, **kw), samples=1)
    s.add("reshape_s8", "RESHAPE", ("ReshapeOptions", {"newShape": [2, -1]}), [T((2, 3, 4), np.int8, **q), const(np.array([2, -1], np.int32))],
        T((2, 12), np.int8, **q), samples=1)


def cases(s):
    moves(s)
