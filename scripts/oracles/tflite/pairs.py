"""Other operators with two broadcast inputs: MAXIMUM, SQUARED_DIFFERENCE, FLOOR_DIV, POW, BITWISE_XOR and their kind."""
import numpy as np

from binary import DEEP, SHAPES, SHORT, name, options, pair, quant, t_like
from suite import Graph, Op, T, const


def extremes(s):
    """MAXIMUM and MINIMUM look at the stored numbers only."""
    for op in ("MAXIMUM", "MINIMUM"):
        for dtype in (np.float32, np.int8, np.uint8, np.int16, np.int32, np.int64):
            d = SHORT[np.dtype(dtype).name]
            oracle = "litert" if dtype == np.uint8 else "tflm"
            for i, (a, b) in enumerate(SHAPES[:5] + SHAPES[7:8] + DEEP):
                out = np.broadcast_shapes(a, b)
                pair(s, name(op, d, i), op, T(a, dtype), T(b, dtype), T(out, dtype), oracle)
            if dtype in (np.int8, np.uint8, np.int16):
                pair(s, name(op, d, "scales"), op, quant((4, 5), dtype, 0.1, 3), quant((5,), dtype, 0.2, -5), quant((4, 5), dtype, 0.1, 3), oracle)
        f = np.array([1, np.nan, 2, np.nan, np.inf, -np.inf], np.float32)
        g = np.array([np.nan, 1, 2, np.nan, 3, 3], np.float32)
        pair(s, name(op, "f32_nan"), op, T((6,), np.float32), T((6,), np.float32), T((6,), np.float32), "tflm", inputs=[[f, g]])


def squared_difference(s):
    op = "SQUARED_DIFFERENCE"
    for dtype in (np.float32, np.int8, np.int16, np.int32):
        d = SHORT[np.dtype(dtype).name]
        scales = (0.0173, 0.0317, 0.0911) if dtype in (np.int8, np.int16) else (None, None, None)
        for i, (a, b) in enumerate(SHAPES + DEEP[:1]):
            x, y, z = (T(shape, dtype) if q is None else quant(shape, dtype, q, zp) for shape, q, zp in zip((a, b, np.broadcast_shapes(a, b)), scales, (4, -21, 9)))
            pair(s, name(op, d, i), op, x, y, z, "tflm")
        if dtype in (np.int8, np.int16):
            for i, (x, y, z) in enumerate([(1e-6, 1.0, 0.5), (1.0, 1.0, 0.5), (0.5, 0.25, 200.0), (0.1, 0.1, 1e-4), (30.0, 20.0, 9.0), (1e-9, 1e-9, 1.0)]):
                za, zb, zo = ((-128, 127, -128), (127, -128, 127), (0, 0, 0))[i % 3]
                pair(s, name(op, d, "scale", i), op, quant((5, 8), dtype, x, za), quant((5, 8), dtype, y, zb), quant((5, 8), dtype, z, zo), "tflm")
            pair(s, name(op, d, "many"), op, quant((4, 200), dtype, 0.031, -40), quant((4, 200), dtype, 0.042, 3), quant((4, 200), dtype, 0.9, -128), "tflm", samples=1)


def integer_division(s):
    for op in ("FLOOR_DIV", "FLOOR_MOD"):
        for dtype in (np.float32, np.int8, np.int16, np.int32, np.int64):
            if op == "FLOOR_DIV" and dtype == np.int64:
                continue
            d = SHORT[np.dtype(dtype).name]
            oracle = "tflm" if dtype == np.float32 else "litert"
            for i, (a, b) in enumerate(SHAPES[:5] + SHAPES[7:8]):
                x, y, z = T(a, dtype), T(b, dtype), T(np.broadcast_shapes(a, b), dtype)
                pair(s, name(op, d, i), op, x, y, z, oracle, divide=True, edge=dtype == np.float32)
            if dtype != np.float32:
                x, y = T((6, 7), dtype), T((6, 7), dtype)
                v = [s.rng.integers(-20, 21, size=(6, 7)).astype(dtype), s.rng.integers(1, 6, size=(6, 7)).astype(dtype)]
                pair(s, name(op, d, "small"), op, x, y, T((6, 7), dtype), oracle, inputs=[v, [v[0], -v[1]]])
    f = np.array([1, 2, -3, 0, 5.5, -0.0, 3, -7], np.float32)
    g = np.array([2, -3, 2, 0, 0, 1, np.inf, np.nan], np.float32)
    pair(s, "floor_mod_f32_limits", "FLOOR_MOD", T((8,), np.float32), T((8,), np.float32), T((8,), np.float32), "tflm", inputs=[[f, g]])
    # Shapes are computed this way: constants folded at load.
    pair(s, "floor_mod_s32_const", "FLOOR_MOD", T((3,), np.int32), const(np.array([4], np.int32)), T((3,), np.int32), "litert")


def power(s):
    s.ulp = 1
    for i, (a, b) in enumerate(SHAPES[:3] + SHAPES[7:8]):
        x, y, z = T(a, np.float32), T(b, np.float32), T(np.broadcast_shapes(a, b), np.float32)
        inputs = [[np.abs(s.sample(x)), s.sample(y)] for _ in range(2)]
        pair(s, name("pow_f32", i), "POW", x, y, z, "litert", inputs=inputs)
    s.ulp = 3  # with one exponent for all the reference multiplies repeatedly
    for e in (0.0, 1.0, 2.0, 3.0, 7.0, 0.5, -2.0):
        x = T((3, 5), np.float32)
        pair(s, name("pow_f32_by", str(e).replace("-", "minus_")), "POW", x, T((1,), np.float32), T((3, 5), np.float32), "litert",
             inputs=[[np.abs(s.sample(x)) if e != int(e) else s.sample(x), np.array([e], np.float32)]])
    s.ulp = 0
    f = np.array([-2, -2, 0, 0, np.inf, 1, np.nan, -1], np.float32)
    g = np.array([3, 0.5, -1, 0, -1, np.nan, 0, np.inf], np.float32)
    pair(s, "pow_f32_limits", "POW", T((8,), np.float32), T((8,), np.float32), T((8,), np.float32), "litert", inputs=[[f, g]])
    base, e = s.rng.integers(-6, 7, size=(4, 8)).astype(np.int32), s.rng.integers(0, 15, size=(4, 8)).astype(np.int32)
    pair(s, "pow_s32", "POW", T((4, 8), np.int32), T((4, 8), np.int32), T((4, 8), np.int32), "litert", inputs=[[base, e], [base * 1000, e]])
    pair(s, "pow_s32_rows", "POW", T((4, 8), np.int32), T((1, 8), np.int32), T((4, 8), np.int32), "litert", inputs=[[base, e[:1]]])
    for k in (0, 1, 2, 5, 30):
        pair(s, name("pow_s32_by", k), "POW", T((4, 8), np.int32), T((1,), np.int32), T((4, 8), np.int32), "litert", inputs=[[base * 97, np.array([k], np.int32)]])
    s.ulp = 1
    t = T((5, 9), np.float32)
    pair(s, "atan2", "ATAN2", t, t_like(t), T((5, 9), np.float32), "litert")
    f = np.array([0, -0.0, 0, -0.0, 1, -1, np.inf, -np.inf, np.inf, np.nan, 1e-40], np.float32)
    g = np.array([1, 1, -1, -1, 0, 0, np.inf, -np.inf, 1, 1, -1e30], np.float32)
    pair(s, "atan2_limits", "ATAN2", T((11,), np.float32), T((11,), np.float32), T((11,), np.float32), "litert", inputs=[[f, g]])
    s.ulp = 0


def bits(s):
    for op in ("BITWISE_XOR", "RIGHT_SHIFT"):
        for dtype in (np.int8, np.uint8, np.int16, np.int32, np.uint32):
            d = SHORT[np.dtype(dtype).name]
            for i, (a, b) in enumerate(SHAPES[:3] + SHAPES[7:8]):
                x, y, z = T(a, dtype), T(b, dtype), T(np.broadcast_shapes(a, b), dtype)
                inputs = [[s.sample(x, edge=True), s.sample(y)]]
                if op == "RIGHT_SHIFT":
                    lo = -3 if np.dtype(dtype).kind == "i" else 0
                    inputs.append([s.sample(x), s.rng.integers(lo, np.dtype(dtype).itemsize * 8 + 3, size=b).astype(dtype)])
                pair(s, name(op, d, i), op, x, y, z, "litert", inputs=inputs)
            if d in ("s8", "u8"):
                x, y = quant((4, 6), dtype, 0.1, -3), quant((4, 6), dtype, 0.1, -3)
                inputs = [[s.sample(x), s.rng.integers(0, 10, size=(4, 6)).astype(dtype)]]
                pair(s, name(op, d, "scale"), op, x, y, quant((4, 6), dtype, 0.1, -3), "litert", inputs=inputs)
                if d == "u8":
                    c = const(s.rng.integers(0, 10, size=(4, 6)).astype(dtype), scale=0.1, zero=125)
                    s.add(name(op, d, "const"), op, options(op), [x, c], quant((4, 6), dtype, 0.1, -3), oracle="litert")


def behind_transpose(s):
    """Transposes move behind these operators at load; what belongs to uint8 must come along."""
    for op, kind in (("MUL", "MulOptions"), ("MAXIMUM", "MaximumMinimumOptions"), ("BITWISE_XOR", "BitwiseXorOptions"), ("PRELU", None)):
        x, mid, out = quant((2, 3, 4), np.uint8, 0.7, 3), quant((4, 2, 3), np.uint8, 0.7, 3), quant((4, 2, 3), np.uint8, 0.14, 9)
        c = const(s.rng.integers(0, 256, size=(1, 2, 3)).astype(np.uint8), scale=0.1, zero=120)
        perm = const(np.array([2, 0, 1], np.int32))
        ops = [Op("TRANSPOSE", ("TransposeOptions", {}), [x, perm], [mid]), Op(op, (kind, {}) if kind else None, [mid, c], [out])]
        s.add_model(name(op, "u8_behind_transpose"), [Graph([x], [out], ops)], op, oracle="litert")


def stablehlo(s):
    for op in ("ADD", "MULTIPLY", "MAXIMUM", "MINIMUM"):
        for dtype in (np.float32, np.int32, np.int64):
            t = [T((3, 5), dtype) for _ in range(3)]
            s.add(name("stablehlo", op, SHORT[np.dtype(dtype).name]), "STABLEHLO_" + op, None, t[:2], t[2], oracle="litert")
        f = np.array([1, np.nan, 2, np.nan, np.inf, -np.inf, 3e38], np.float32)
        g = np.array([np.nan, 1, 2, np.nan, 3, 3, 3e38], np.float32)
        t = [T((7,), np.float32) for _ in range(3)]
        s.add(name("stablehlo", op, "nan"), "STABLEHLO_" + op, None, t[:2], t[2], oracle="litert", inputs=[[f, g]])
    t = [T((3, 5), np.bool_) for _ in range(3)]
    s.add("stablehlo_and", "STABLEHLO_AND", None, t[:2], t[2], oracle="builtin")


def cases(s):
    s.ulp = 0
    extremes(s)
    squared_difference(s)
    integer_division(s)
    power(s)
    bits(s)
    behind_transpose(s)
    stablehlo(s)
