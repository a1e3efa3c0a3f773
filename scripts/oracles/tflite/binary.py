"""Sums, differences, products and quotients of two broadcast inputs. What it shares with pairs.py, choose.py and compare.py stands here."""
import numpy as np

from suite import ACTS, T

SHAPES = [((2, 3, 4, 5), (2, 3, 4, 5)), ((1, 6, 5, 7), (1, 1, 1, 7)), ((4, 1, 3), (1, 5, 3)), ((1, 1), (1, 1, 9)), ((1, 4, 4, 3), (1, 4, 4, 1)),
          ((), (5,)), ((3, 7), ()), ((2, 1, 3, 1), (1, 4, 1, 5)), ((1,), (1,))]
DEEP = [((2, 1, 3, 1, 2), (1, 2, 1, 2, 1)), ((2, 1, 2, 1, 3, 1), (1, 2, 1, 2, 1, 2))]
OPTIONS = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions", "DIV": "DivOptions", "MAXIMUM": "MaximumMinimumOptions",
           "MINIMUM": "MaximumMinimumOptions", "SQUARED_DIFFERENCE": "SquaredDifferenceOptions", "POW": "PowOptions", "FLOOR_DIV": "FloorDivOptions",
           "FLOOR_MOD": "FloorModOptions", "ATAN2": "ATan2Options", "BITWISE_XOR": "BitwiseXorOptions", "RIGHT_SHIFT": "RightShiftOptions",
           "ADD_N": "AddNOptions", "SELECT": "SelectOptions", "SELECT_V2": "SelectV2Options", "PRELU": None}
SHORT = {"float32": "f32", "int8": "s8", "uint8": "u8", "int16": "s16", "int32": "s32", "int64": "s64", "uint32": "u32", "bool": "bool"}


def options(op, **fields):
    return (OPTIONS[op], fields) if OPTIONS[op] else None


def name(*parts):
    return "_".join(str(p).lower() for p in parts)


def zero_of(dtype, z):
    """The same place of the range in every type: z for int8, z + 128 for uint8, 0 for int16."""
    return {"int8": z, "uint8": z + 128}.get(np.dtype(dtype).name, 0)


def quant(shape, dtype, scale, zero=0):
    return T(shape, dtype, scale, zero_of(dtype, zero))


def divisors(s, t, zero=0):
    """Samples without the number that stands for 0."""
    a = s.sample(t)
    a = np.asarray(a)
    return np.where(a == np.array(zero, t.dtype), np.array(zero + (1 if zero < 100 else -1), t.dtype), a).astype(t.dtype)


def pair(s, title, op, a, b, out, oracle, divide=False, samples=2, edge=True, inputs=None, **fields):
    if inputs is None and divide:
        inputs = [[s.sample(a, edge=edge and i == 0), divisors(s, b, b.zero)] for i in range(samples)]
    s.add(title, op, options(op, **fields), [a, b], out, samples=samples, oracle=oracle, inputs=inputs)


def arithmetic_float(s):
    for op in ("ADD", "SUB", "MUL", "DIV"):
        for i, (a, b) in enumerate(SHAPES + DEEP):
            if op == "DIV" and len(a) > 5:
                continue
            act = list(ACTS)[i % 4]
            pair(s, name(op, "f32", i, act), op, T(a, np.float32), T(b, np.float32), T(np.broadcast_shapes(a, b), np.float32), "tflm",
                 divide=op == "DIV", fusedActivationFunction=ACTS[act])
        big = np.array([3e38, -3e38, np.inf, -np.inf, np.nan, 1e-38, 0, 2], np.float32)
        t = T((8,), np.float32)
        pair(s, name(op, "f32_limits"), op, t, t_like(t), T((8,), np.float32), "tflm", inputs=[[big, big], [big, -big], [big, big[::-1].copy()], [big, 0 * np.ones(8, np.float32)]])


def t_like(t):
    return T(t.shape, t.dtype, t.scale, t.zero)


def arithmetic_int(s):
    for op in ("ADD", "SUB", "MUL", "DIV"):
        for dtype in (np.int16, np.int32, np.int64, np.uint32):
            d = SHORT[np.dtype(dtype).name]
            if dtype == np.uint32 and op != "MUL" or dtype == np.int16 and op in ("SUB", "DIV") or dtype == np.int64 and op == "DIV":
                continue
            for i, (a, b) in enumerate(SHAPES[:5] + DEEP[:1]):
                act = list(ACTS)[i % 4] if dtype != np.uint32 else "none"
                # tflite-micro ignores the activation of int32 ADD and treats plain int16 as quantized without scales.
                oracle = "tflm" if dtype == np.int32 and not (op == "ADD" and act != "none") else "litert"
                out = T(np.broadcast_shapes(a, b), dtype)
                pair(s, name(op, "plain", d, i, act), op, T(a, dtype), T(b, dtype), out, oracle, divide=op == "DIV", edge=op != "DIV", fusedActivationFunction=ACTS[act])
            if dtype in (np.int32, np.int64):
                x, y = T((3, 7), dtype), T((3, 7), dtype)
                small = [[s.rng.integers(-9, 10, size=(3, 7)).astype(dtype), s.rng.integers(1, 5, size=(3, 7)).astype(dtype)]]
                for act in ("relu_n1_to_1", "relu6"):
                    pair(s, name(op, d, "small", act), op, x, y, T((3, 7), dtype), "litert", inputs=small, fusedActivationFunction=ACTS[act])


def arithmetic_quantized(s):
    scales = {"ADD": (0.0173, 0.0317, 0.0411), "SUB": (0.0173, 0.0317, 0.0411), "MUL": (0.0173, 0.0317, 0.0631), "DIV": (0.0531, 0.0417, 0.0711)}
    for op in ("ADD", "SUB", "MUL", "DIV"):
        sa, sb, so = scales[op]
        for dtype in (np.int8, np.uint8, np.int16):
            d = SHORT[np.dtype(dtype).name]
            oracle = "litert" if dtype == np.uint8 or op == "DIV" and dtype == np.int16 else "tflm"
            deep = [] if oracle == "tflm" and op == "MUL" else DEEP
            for i, (a, b) in enumerate(SHAPES + deep):
                if op == "DIV" and len(a) > 5 or i in (5, 6, 8) and dtype == np.uint8:
                    continue
                act = list(ACTS)[i % 4]
                out = np.broadcast_shapes(a, b)
                pair(s, name(op, d, i, act), op, quant(a, dtype, sa, 4), quant(b, dtype, sb, -21), quant(out, dtype, so, 9), oracle,
                     divide=op == "DIV", fusedActivationFunction=ACTS[act])
            # Scales from far below to far above the others, and zero points at both ends.
            extremes = [(1e-6, 1.0, 0.02), (1.0, 1e-12, 0.02), (1e-3, 1e-3, 1.0), (1.0, 1.0, 0.5), (0.5, 0.25, 0.125), (100.0, 300.0, 7.0), (3e30, 1e-30, 1e30),
                        (0.7, 0.1, 0.14), (0.1, 0.3, 0.06), (1.0, 1.0, 3e-5), (0.99999994, 1.0000001, 0.75), (0.1, 0.1, 0.2), (0.5, 0.5, 0.5)]
            if op in ("MUL", "DIV"):
                extremes += [(1e-15, 1e-15, 1.0) if op == "MUL" else (1e-4, 1.0, 1.0), (30.0, 40.0, 0.9) if op == "MUL" else (1.0, 1e-2, 1.0)]
            for i, (x, y, z) in enumerate(extremes):
                if op == "DIV" and (max(x, y, z) > 1e20 or min(x, y, z) < 1e-10 or x / y / z > 1e4):
                    continue
                if dtype == np.int16 and op in ("ADD", "SUB") and 2 * max(x, y) / z >= 2**15:
                    continue
                za, zb, zo = ((-128, 127, -128), (127, -128, 127), (0, 0, 0))[i % 3]
                if op == "DIV":
                    za, zb = 0, za
                pair(s, name(op, d, "scale", i), op, quant((5, 8), dtype, x, za), quant((5, 8), dtype, y, zb), quant((5, 8), dtype, z, zo), oracle, divide=op == "DIV")
            if dtype != np.int16:
                full = (4, 512)
                pair(s, name(op, d, "many"), op, quant(full, dtype, 0.0531, -128 if op != "DIV" else 3), quant(full, dtype, 0.0067, 127),
                     quant(full, dtype, 0.0472, -30), oracle, divide=op == "DIV", samples=1)
            else:
                full = (8, 64)
                pair(s, name(op, d, "many"), op, quant(full, dtype, 0.00031), quant(full, dtype, 0.00017), quant(full, dtype, 0.00042), oracle, divide=op == "DIV", samples=1)
            # Bounds of activations: ties (1 / 0.4), zero points at both ends, bounds outside of the type.
            for i, (act, z, zo) in enumerate([("relu", 0.4, -128), ("relu6", 0.4, -128), ("relu_n1_to_1", 0.4, 0), ("relu6", 0.01, 0), ("relu_n1_to_1", 0.001, 127), ("relu", 0.4, 127)]):
                t = [quant((4, 6), dtype, 0.05, 0), quant((4, 6), dtype, 0.07, 0), quant((4, 6), dtype, z, zo)]
                pair(s, name(op, d, "bounds", i, act), op, *t, oracle, divide=op == "DIV", samples=1, fusedActivationFunction=ACTS[act])
    for op in ("ADD", "SUB"):
        for pot in (False, True):
            for i, (x, y, z) in enumerate([(2**-12, 2**-10, 2**-10), (2**-11, 2**-11, 2**-11), (0.00031, 2**-9, 0.0004)]):
                t = [T((4, 9), np.int16, v) for v in (x, y, z)]
                pair(s, name(op, "s16_pot" if pot else "s16_general", i), op, *t, "tflm", potScaleInt16=pot)
        t = [T((4, 9), np.int16, v, zp) for v, zp in ((0.0003, 700), (0.0004, -3000), (0.0005, 12))]
        pair(s, name(op, "s16_zero_points"), op, *t, "tflm")


def cases(s):
    s.ulp = 0
    arithmetic_float(s)
    arithmetic_int(s)
    arithmetic_quantized(s)
