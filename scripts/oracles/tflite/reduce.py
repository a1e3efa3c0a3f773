"""Reductions, positions of extremes, running sums, the largest values of a row.

tflite-micro decides where it has the type, up to five axes of which two are reduced: its kernels keep no room for more.
LiteRT's reference resolver decides the rest, but never SUM of int8 and int16, which it gets wrong.
"""
import numpy as np

from suite import Graph, Op, T, const

SCALES = {np.int8: [((0.05, -7), (0.041, 12)), ((0.05, -7), (0.05, -7)), ((0.9, 127), (0.0071, -128)), ((0.004, -128), (0.75, 127))],
          np.uint8: [((0.05, 121), (0.041, 140)), ((0.05, 121), (0.05, 121)), ((0.9, 255), (0.0071, 0)), ((0.004, 0), (0.75, 255))],
          np.int16: [((0.05, 0), (0.041, 0)), ((0.05, 0), (0.05, 0)), ((0.9, 0), (0.0071, 0)), ((0.004, 0), (0.75, 0))]}
SHORT = {np.float32: "f32", np.int8: "s8", np.uint8: "u8", np.int16: "s16", np.int32: "s32", np.int64: "s64", np.bool_: "bool"}
MICRO = {"MEAN": (np.float32, np.int8, np.int16), "SUM": (np.float32, np.int8, np.int16), "REDUCE_MAX": (np.float32, np.int8),
         "REDUCE_MIN": (np.float32, np.int8), "REDUCE_ALL": (np.bool_,), "REDUCE_PROD": (), "REDUCE_ANY": ()}
SHAPES = [((2, 5, 6, 3), (1, 2)), ((1, 4, 4, 8), (3,)), ((2, 7, 5), (1,)), ((3, 4, 5, 6), (2, 1)), ((2, 9), (-1,)), ((3, 2, 4), (-3, 0, -3)), ((7,), (0,)),
          ((2, 3, 4), (0, 1, 2)), ((2, 3, 2, 3), (0, 2, 3)), ((2, 1, 3, 2, 2), (1, 3)), ((2, 2, 1, 3, 2, 2), (1, 4, -1)), ((1, 1, 13), (2, 0)), ((3, 4), ())]


def reduction(s, name, op, dtype, shape, axes, keep, q=((None, 0), (None, 0)), **kw):
    real = {a % len(shape) for a in axes} if shape else set()
    out = tuple(1 if a in real else d for a, d in enumerate(shape) if keep or a not in real)
    micro = dtype in MICRO[op] and len(real) <= 2 and len(shape) <= 5
    if op == "SUM" and dtype in (np.int8, np.int16) and not micro:
        return
    s.add(name, op, ("ReducerOptions", {"keepDims": keep}), [T(shape, dtype, *q[0]), const(np.array(axes, np.int32))], T(out, dtype, *q[1]),
          oracle="tflm" if micro else "litert", **kw)


def reductions(s):
    for op in MICRO:
        logical = op in ("REDUCE_ANY", "REDUCE_ALL")
        for dtype in [np.bool_] if logical else [d for d in SHORT if d != np.bool_ or op != "MEAN"]:
            for i, (shape, axes) in enumerate(SHAPES):
                n = f"{op.lower()}_{SHORT[dtype]}_{i}"
                keep = i % 2 == 0
                if dtype not in SCALES:
                    reduction(s, n, op, dtype, shape, axes, keep, samples=1)
                    if i < 3:
                        reduction(s, n + "_other", op, dtype, shape, axes, not keep, samples=1)
                elif op in ("MEAN", "SUM"):
                    for k in [0, 1] if i < 2 else [i % 4]:
                        reduction(s, f"{n}_q{k}", op, dtype, shape, axes, keep ^ (k == 1), SCALES[dtype][k], samples=1)
                elif op != "REDUCE_PROD":
                    reduction(s, n, op, dtype, shape, axes, keep, (SCALES[dtype][0][0],) * 2, samples=1)
                elif dtype != np.uint8:  # nobody has quantized uint8 products
                    q = [((0.05, -7), (0.4, 12)), ((0.02, 3), (0.02, 3)), ((0.011, 127), (0.3, -128)), ((0.012, -128), (0.6, 127))][i % 4]
                    if dtype == np.int16:
                        q = [((0.0001, 0), (0.04, 0)), ((0.00007, 0), (0.00002, 0)), ((0.0003, 0), (0.9, 0)), ((0.00005, 0), (0.0001, 0))][i % 4]
                    reduction(s, n, op, dtype, shape, axes, keep, q)
                if op == "REDUCE_PROD" and dtype in (np.int8, np.uint8, np.int16) and i < 4:
                    reduction(s, n + "_plain", op, dtype, shape, axes, keep, samples=1)
            if op in ("REDUCE_MAX", "REDUCE_MIN") and dtype in (np.int8, np.uint8, np.int16):
                reduction(s, f"{op.lower()}_{SHORT[dtype]}_plain", op, dtype, (3, 4, 2), (1,), False, samples=1)
    # Multipliers: mantissas at both ends, halves that tie, so small that the mean's share of the count does not fit, zero, far above one.
    for i, (a, b) in enumerate([(0.99999994, 1), (1.0000001, 1), (0.5, 1), (0.25, 1), (1, 2.0**29), (1, 2.0**31), (1, 2.0**40), (300, 1), (2.0**20, 1), (1e-3, 7e-3)]):
        for op in ("MEAN", "SUM"):
            for dtype, zi, zo in ((np.int8, -3, 5), (np.uint8, 255, 0), (np.int16, 0, 0)):
                reduction(s, f"{op.lower()}_{SHORT[dtype]}_scale{i}", op, dtype, (3, 6, 4), (1,), False, ((a, zi), (b, zo)), samples=1)
    # A scalar has no axes; the list is not looked at.
    for op in ("MEAN", "SUM", "REDUCE_MAX"):
        s.add(f"{op.lower()}_f32_scalar", op, ("ReducerOptions", {"keepDims": True}), [T((), np.float32), const(np.array([0], np.int32))], T((), np.float32),
              oracle="litert", samples=1)
    # One larger case, whose int32 sum of int16 values is near the end of its range.
    reduction(s, "mean_s16_large", "MEAN", np.int16, (1, 3, 1024, 2), (1, 2), True, ((0.05, 0), (0.05, 0)), samples=1)
    # Many factors: an odd count, whose root of the output scale decides the multiplier.
    reduction(s, "reduce_prod_s8_many", "REDUCE_PROD", np.int8, (2, 17), (1,), False, ((0.02, 0), (0.1, 0)))


def arguments(s):
    for op, opts in (("ARG_MAX", "ArgMaxOptions"), ("ARG_MIN", "ArgMinOptions")):
        for dtype in (np.float32, np.int8, np.uint8, np.int32, np.bool_):
            q = {np.int8: (0.1, -3), np.uint8: (0.1, 130)}.get(dtype, ())
            for i, (shape, axis, wide) in enumerate([((2, 3, 4, 5), 3, False), ((2, 3, 4, 5), -1, True), ((4, 7), 0, False), ((3, 11, 2), 1, True), ((9,), 0, False),
                                                     ((2, 2, 3, 2, 2), -3, False), ((1, 1), -2, False)]):
                out = tuple(d for a, d in enumerate(shape) if a != axis % len(shape))
                it = np.int64 if wide else np.int32
                micro = dtype in (np.float32, np.int8) and not wide
                for k, at in enumerate([np.int32] if micro else [np.int32, np.int64] if i < 2 else [np.int64]):
                    x = T(shape, dtype, *q)
                    # Few different values, so that there are ties: the first one counts.
                    a = s.rng.integers(0, 2 if dtype == np.bool_ else 5, size=shape).astype(dtype)
                    s.add(f"{op.lower()}_{SHORT[dtype]}_{i}_{k}", op, (opts, {"outputType": 4 if wide else 2}), [x, const(np.array(axis, at))], T(out, it), 2,
                          oracle="tflm" if micro else "litert", inputs=[[a], [s.sample(x)]])


def running(s):
    for i, (shape, axis, excl, rev) in enumerate([((2, 3, 4), 1, False, False), ((2, 3, 4), 0, True, False), ((2, 3, 4), -1, False, True), ((11,), 0, True, True),
                                                  ((1, 5, 2, 3), -3, False, True), ((2, 3, 2, 2, 2), 2, True, False)]):
        o = ("CumsumOptions", {"exclusive": excl, "reverse": rev})
        ax = const(np.array(axis, np.int32))
        for dtype in (np.float32, np.int32, np.int64):
            s.add(f"cumsum_{SHORT[dtype]}_{i}", "CUMSUM", o, [T(shape, dtype), ax], T(shape, dtype), oracle="tflm" if dtype == np.float32 else "litert", samples=1)
        for k, (x, y) in enumerate([((0.05, -7), (0.11, 12)), ((0.05, -128), (0.05, 127)), ((0.5, 127), (0.013, -128))]):
            s.add(f"cumsum_s8_{i}_{k}", "CUMSUM", o, [T(shape, np.int8, *x), ax], T(shape, np.int8, *y))


def largest(s):
    for dtype in (np.float32, np.int8, np.uint8, np.int16, np.int32, np.int64):
        q = {np.int8: (0.1, -3), np.uint8: (0.1, 130), np.int16: (0.1, 0)}.get(dtype, ())
        for i, (shape, k) in enumerate([((2, 3, 7), 3), ((13,), 13), ((4, 5), 1), ((2, 29), 5)]):
            x = T(shape, dtype, *q)
            out = (*shape[:-1], k)
            few = s.rng.integers(0, 4, size=shape).astype(dtype)
            s.add(f"topk_{SHORT[dtype]}_{i}", "TOPK_V2", ("TopKV2Options", {}), [x, const(np.array(k, np.int32))], [T(out, dtype, *q), T(out, np.int32)], 3,
                  oracle="litert", inputs=[[few], [s.sample(x)]])


def segments(s):
    for dtype in (np.float32, np.int32):
        k = SHORT[dtype]
        for i, (shape, ids) in enumerate([((6, 3), [0, 0, 1, 2, 2, 2]), ((4,), [0, 1, 2, 3]), ((3, 2, 2), [0, 0, 0]), ((1, 5), [0])]):
            s.add(f"segment_sum_{k}_{i}", "SEGMENT_SUM", ("SegmentSumOptions", {}), [T(shape, dtype), const(np.array(ids, np.int32))],
                  T((ids[-1] + 1, *shape[1:]), dtype), oracle="builtin", samples=1)
        for op in ("Sum", "Max", "Min", "Prod"):
            for i, (shape, ids, n) in enumerate([((6, 3), [2, 0, -1, 2, 4, 0], 5), ((4,), [1, 1, 1, 1], 2), ((3, 2, 2), [0, 2, 1], 3)]):
                for live in (False, True):
                    x, at = T(shape, dtype), np.array(ids, np.int32)
                    idt = T(at.shape, np.int32) if live else const(at)
                    s.add(f"unsorted_segment_{op.lower()}_{k}_{i}{'_open' * live}", f"UNSORTED_SEGMENT_{op.upper()}", (f"UnsortedSegment{op}Options", {}),
                          [x, idt, const(np.array(n, np.int32))], T((n, *shape[1:]), dtype), inputs=[[s.sample(x)] + [at] * live], oracle="litert")


def folded(s):
    """Operators whose result has a length that depends on the data: of constants only. A constant model needs an input, so one is passed on."""
    for i, a in enumerate([np.array([True, False, True, True]), np.array([[0, 3], [-1, 0], [0, 0]], np.int32), np.array([[[0.5, 0, -0.0]]], np.float32),
                           np.zeros(3, np.int8), np.array([0, 7], np.int64)]):
        n = np.count_nonzero(a)
        x, y, o = T((2,), np.float32), T((2,), np.float32), T((n, a.ndim), np.int64)
        s.add_model(f"where_{i}", [Graph([x], [y, o], [Op("RELU", None, [x], [y]), Op("WHERE", ("WhereOptions", {}), [const(a)], [o])])], "WHERE",
                    samples=1, oracle="litert")
    for i, a in enumerate([np.array([3, 1, 3, 3, 7, 1], np.int32), np.array([0.5, -1, 0.5], np.float32), np.array([5], np.int64), np.array([1, 1, -2], np.int16)]):
        u = len(np.unique(a))
        x, y = T((2,), np.float32), T((2,), np.float32)
        for k, it in enumerate((np.int32, np.int64)):
            outs = [T((u,), a.dtype), T(a.shape, it)]
            s.add_model(f"unique_{i}_{k}", [Graph([x], [y, *outs], [Op("RELU", None, [x], [y]),
                                                                   Op("UNIQUE", ("UniqueOptions", {"idxOutType": 4 if k else 2}), [const(a)], outs)])],
                        "UNIQUE", samples=1, oracle="litert")


def cases(s):
    reductions(s)
    arguments(s)
    running(s)
    largest(s)
    segments(s)
    folded(s)
