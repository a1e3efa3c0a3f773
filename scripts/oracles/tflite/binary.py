"""Elementwise operators with two inputs."""
import numpy as np

from suite import ACTS, SAME, VALID, T, const, span


def elementwise(s):
    shapes = [((2, 3, 4, 5), (2, 3, 4, 5)), ((1, 6, 5, 7), (1, 1, 1, 7)), ((4, 1, 3), (1, 5, 3)), ((1, 1), (1, 1, 9)), ((1, 4, 4, 3), (1, 4, 4, 1))]
    for op, kind, version in (("ADD", "AddOptions", 2), ("SUB", "SubOptions", 2), ("MUL", "MulOptions", 2)):
        for i, (a, b) in enumerate(shapes):
            out = np.broadcast_shapes(a, b)
            act = list(ACTS)[i % 4]
            o = (kind, {"fusedActivationFunction": ACTS[act]})
            if op != "MUL" or len(out) > 1:
                s.add(f"{op.lower()}_s8_{i}_{act}", op, o, [T(a, np.int8, 0.0173, 4), T(b, np.int8, 0.0317, -21)],
                    T(out, np.int8, 0.0411, 9), version)
            s.add(f"{op.lower()}_f32_{i}_{act}", op, o, [T(a, np.float32), T(b, np.float32)], T(out, np.float32))
        full = T((12, 1024), np.int8, 0.0531, -128)
        s.add(f"{op.lower()}_s8_many", op, (kind, {}), [full, T((12, 1024), np.int8, 0.0067, 127)], T((12, 1024), np.int8, 0.0472, -30), version, samples=1)


def cases(s):
    s.ulp = 0
    elementwise(s)
