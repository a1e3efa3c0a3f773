"""Operators that take parts of their input: slices, splits, reversed axes."""
import numpy as np

from move import QUANT, F32, S8, S16, S32, S64, U8, case, every, i32, name_of, several, x
from suite import Graph, Op, T, const


def strided(d, shape, begin, end, step, out, begin_mask=0, end_mask=0, ellipsis=0, new=0, shrink=0, offset=False):
    options = {"beginMask": begin_mask, "endMask": end_mask, "ellipsisMask": ellipsis, "newAxisMask": new, "shrinkAxisMask": shrink, "offset": offset}
    return "STRIDED_SLICE", ("StridedSliceOptions", options), [x(shape, d), i32(*begin), i32(*end), i32(*step)], x(out, d)


def result(shape, begin, end, step, **masks):
    """What numpy's slicing gives for positions without ellipsis and new axes."""
    key = []
    for k, (b, e, s) in enumerate(zip(begin, end, step)):
        bit = 1 << k
        if masks.get("shrink", 0) & bit:
            key.append(b)
            continue
        key.append(slice(None if masks.get("begin_mask", 0) & bit else b, None if masks.get("end_mask", 0) & bit else e, s))
    return np.zeros(shape)[tuple(key)].shape


def strided_slices(s):
    every(s, "strided_slice", lambda d: strided(d, (3, 4, 5), (1, -1, 0), (3, -4, 5), (1, -2, 2), (2, 2, 3)))
    every(s, "strided_slice_shrink", lambda d: strided(d, (2, 3, 4), (1, 0, -1), (2, 3, 4), (1, 1, 1), (3,), shrink=5))
    plain = [
        ((7,), (1,), (6,), (2,)), ((7,), (6,), (0,), (-1,)), ((7,), (-3,), (-1,), (1,)), ((7,), (-100,), (100,), (3,)), ((7,), (100,), (-100,), (-3,)),
        ((3, 4), (0, 1), (3, 3), (1, 1)), ((3, 4), (2, -1), (-4, -5), (-1, -1)), ((2, 3, 4), (0, 1, 0), (2, 2, 4), (1, 1, 1)),
        ((2, 3, 4, 2), (1, 0, 1, 0), (2, 3, 4, 2), (1, 2, 2, 1)), ((1, 5, 5, 3), (0, 4, 0, 2), (1, -6, 5, -4), (1, -2, 2, -1)), ((1, 1), (0, 0), (1, 1), (1, 1)),
        ((4, 3), (0, 0), (4, 3), (1, 1)), ((5,), (4,), (5,), (7,)),
    ]
    for k, (shape, b, e, st) in enumerate(plain):
        for d in (F32, S8, S16):
            case(s, f"strided_slice_range{k}_{name_of(d)}", *strided(d, shape, b, e, st, result(shape, b, e, st)))
    masked = [
        ((4, 5), (2, 3), (3, 4), (1, 1), dict(begin_mask=1)), ((4, 5), (2, 3), (3, 4), (1, 1), dict(end_mask=2)), ((4, 5), (2, 3), (3, 4), (-1, -1), dict(begin_mask=3, end_mask=3)),
        ((4, 5), (1, 2), (0, 0), (1, 1), dict(shrink=3)), ((4, 5), (-1, 1), (0, 4), (1, 2), dict(shrink=1)), ((4, 5), (0, -2), (4, 0), (1, 1), dict(shrink=2, begin_mask=1)),
        ((2, 3, 4), (0, 1, 0), (1, 2, 3), (1, 1, 1), dict(begin_mask=5, end_mask=4, shrink=2)), ((6,), (2,), (0,), (1,), dict(shrink=1)), ((1, 49, 40, 1), (0, 3, 0, 0), (1, 0, 40, 1), (1, 1, 1, 1), dict(begin_mask=13, end_mask=15)),
    ]
    for k, (shape, b, e, st, m) in enumerate(masked):
        for d in (F32, S8):
            case(s, f"strided_slice_mask{k}_{name_of(d)}", *strided(d, shape, b, e, st, result(shape, b, e, st, **m), **m))
    # Ellipsis, new axes and missing positions: tflite-micro takes none of them into account.
    wide = [
        ((2, 3, 4), (0, 1), (0, 3), (1, 1), (2, 3, 2), dict(ellipsis=1)), ((2, 3, 4), (1, 0), (2, 0), (1, 1), (1, 3, 4), dict(ellipsis=2)),
        ((2, 3, 4, 2), (1, 0, 0), (2, 0, 1), (1, 1, 1), (1, 3, 4, 1), dict(ellipsis=2)),
        ((2, 3), (0, 0, 0), (0, 2, 2), (1, 1, 1), (1, 2, 2), dict(new=1)), ((2, 3), (0, 0, 0), (2, 0, 3), (1, 1, 1), (2, 1, 3), dict(new=2)), ((2, 3), (0, 0, 0), (2, 3, 0), (1, 1, 1), (2, 3, 1), dict(new=4)),
        ((2, 3), (0, 0, 0, 0), (0, 2, 0, 3), (1, 1, 1, 1), (1, 2, 1, 3), dict(new=5)), ((3, 4, 2), (1, 0, 0), (0, 4, 0), (1, 2, 1), (2, 1, 2), dict(new=4, shrink=1)),
        ((2, 3, 4), (0, 0, 2), (0, 0, 0), (1, 1, 1), (1, 2, 3), dict(new=1, ellipsis=2, shrink=4)), ((2, 3, 4), (0, 0, 0), (0, 0, 0), (1, 1, 1), (2, 3, 4, 1), dict(ellipsis=1, new=2, end_mask=4)),
        ((2, 3, 4), (1,), (2,), (1,), (1, 3, 4), {}), ((2, 3, 4), (1,), (2,), (1,), (3, 4), dict(shrink=1)), ((2, 3, 4), (0, 2), (2, -4), (1, -1), (2, 3, 4), {}),
        ((2, 1, 2, 3, 2), (0, 0, 1, 0, 0), (2, 1, 2, 3, 2), (1, 1, 1, 2, 1), (2, 1, 1, 2, 2), {}), ((2, 2, 2, 2, 2), (0, 0, 0, 0, 0), (0, 0, 0, 0, 0), (1, 1, -1, 1, 1), (2, 2, 2, 2, 2), dict(begin_mask=31, end_mask=31)),
        ((2, 3, 4), (0, 0), (1, 1), (1, 1), (2, 3, 4), dict(ellipsis=1, new=1, begin_mask=2, end_mask=2)),
    ]
    for k, (shape, b, e, st, out, m) in enumerate(wide):
        for d in (F32, S8):
            case(s, f"strided_slice_wide{k}_{name_of(d)}", *strided(d, shape, b, e, st, out, **m), oracle="litert")
    for k, (shape, b, e, st, out, m) in enumerate([((5, 6), (1, 2), (3, 4), (1, 1), (3, 4), {}), ((5, 6), (1, 2), (3, 4), (2, 3), (2, 2), {}), ((5,), (-4,), (2,), (1,), (2,), {}), ((5, 4), (1, 1), (2, 3), (1, 1), (2,), dict(shrink=2))]):
        case(s, f"strided_slice_offset{k}", *strided(F32, shape, b, e, st, out, offset=True, **m), version=8, oracle="builtin")


def computed(s):
    """Positions that the run computes, with the output's shape in the file."""
    for k, (d, shape, out, begins) in enumerate([(F32, (4, 5), (2, 3), [(0, 0), (2, 2), (1, 0)]), (S8, (3, 2, 4), (1, 2, 2), [(2, 0, 1), (0, 0, 2)]), (S64, (6,), (4,), [(2,), (0,)]), (U8, (2, 3), (2, 1), [(0, 2)])]):
        runs = [[s.sample(x(shape, d)), np.array(b, np.int32)] for b in begins]
        case(s, f"slice_computed{k}", "SLICE", None, [x(shape, d), T((len(shape),), np.int32), i32(*out)], x(out, d), oracle="litert", runs=runs)
    runs = [[s.sample(x((4, 5))), np.array(b, np.int64)] for b in [(1, 2), (2, 0)]]
    case(s, "slice_computed_int64", "SLICE", None, [x((4, 5)), T((2,), np.int64), const(np.array([2, 3], np.int64))], x((2, 3)), oracle="litert", runs=runs)
    runs = [[s.sample(x((4, 5))), np.array([1, 2], np.int32), np.array([2, 3], np.int32)]]
    case(s, "slice_computed_size", "SLICE", None, [x((4, 5)), T((2,), np.int32), T((2,), np.int32)], x((2, 3)), oracle="litert", runs=runs)

    def positions(name, d, shape, out, pairs, options, n):
        runs = [[s.sample(x(shape, d)), np.array(b, np.int32), np.array(e, np.int32)] for b, e in pairs]
        ins = [x(shape, d), T((n,), np.int32), T((n,), np.int32), i32(*options.pop("step", [1] * n))]
        case(s, name, "STRIDED_SLICE", ("StridedSliceOptions", options), ins, x(out, d), oracle="litert", runs=runs)

    positions("strided_slice_computed_range", F32, (6, 4), (2, 4), [((1, 0), (3, 4)), ((-2, 0), (100, 4)), ((0, -9), (2, 9))], {}, 2)
    positions("strided_slice_computed_step", S8, (7, 3), (3, 3), [((0, 2), (6, -4)), ((1, 5), (7, -9))], {"step": [2, -1]}, 2)
    positions("strided_slice_computed_shrink", F32, (3, 5), (5,), [((0, 0), (1, 5)), ((2, 0), (3, 5)), ((-1, 0), (0, 5))], {"shrinkAxisMask": 1}, 2)
    positions("strided_slice_computed_ellipsis", F32, (2, 3, 4), (2, 3, 2), [((0, 1), (0, 3)), ((0, -2), (0, 4))], {"ellipsisMask": 1}, 2)
    positions("strided_slice_computed_new", S16, (3, 4), (1, 2, 4), [((0, 0), (0, 2)), ((0, 1), (0, 3))], {"newAxisMask": 1}, 2)
    runs = [[s.sample(x((6,))), np.array(b, np.int32)] for b in [(1,), (3,), (0,)]]
    case(s, "strided_slice_computed_offset", "STRIDED_SLICE", ("StridedSliceOptions", {"offset": True}), [x((6,)), T((1,), np.int32), i32(3), i32(1)], x((3,)), version=8, oracle="builtin", runs=runs)


def slices(s):
    def part(d, shape=(3, 4, 2), begin=(1, 0, 1), size=(2, 3, 1), it=S32):
        out = [n - b if k == -1 else k for n, b, k in zip(shape, begin, size)]
        return "SLICE", None, [x(shape, d), const(np.array(begin, it)), const(np.array(size, it))], x(out, d)

    every(s, "slice", part)
    for k, (shape, b, n) in enumerate([((5,), (2,), (-1,)), ((5,), (0,), (5,)), ((2, 3), (1, 0), (-1, -1)), ((2, 3, 4, 2), (0, 1, 2, 1), (2, -1, 1, 1)), ((2, 3, 2, 2, 2), (1, 1, 0, 1, 0), (1, 2, 2, 1, -1)), ((3, 4), (2, 3), (1, 1))]):
        for d in (F32, S8):
            case(s, f"slice_shape{k}_{name_of(d)}", *part(d, shape, b, n))
    case(s, "slice_wide_positions", *part(S32, it=S64))

    def split(d, shape=(2, 6, 2), axis=1, n=3):
        out = list(shape)
        out[axis] //= n
        return "SPLIT", ("SplitOptions", {"numSplits": n}), [const(np.array(axis, np.int32)), x(shape, d)], [x(out, d) for _ in range(n)]

    every(s, "split", split)
    for k, (shape, axis, n) in enumerate([((6,), 0, 3), ((4, 3), 0, 2), ((3, 4), -1, 4), ((1, 2, 3, 4), -4, 1), ((1, 2, 3, 4), 3, 2), ((1, 2, 2, 3, 2), 2, 2)]):
        case(s, f"split_shape{k}", *split(F32, shape, axis, n))

    def split_v(d, shape=(2, 7, 2), axis=1, sizes=(1, 4, 2), st=S32):
        outs, rest = [], shape[axis] - sum(n for n in sizes if n > 0)
        for n in sizes:
            out = list(shape)
            out[axis] = rest if n == -1 else n
            outs.append(x(out, d))
        return "SPLIT_V", ("SplitVOptions", {"numSplits": len(sizes)}), [x(shape, d), const(np.array(sizes, st)), const(np.array(axis, np.int32))], outs

    every(s, "split_v", split_v)
    for k, (shape, axis, sizes) in enumerate([((7,), 0, (3, -1)), ((4, 3), -2, (1, 3)), ((3, 5), -1, (-1, 1, 1)), ((1, 2, 3, 4), 2, (3,)), ((2, 2, 3, 1, 2), 2, (1, 2))]):
        case(s, f"split_v_shape{k}", *split_v(F32, shape, axis, sizes))
    case(s, "split_v_wide_sizes", *split_v(F32, st=S64))

    def reverse(d, shape=(2, 3, 2), axes=(1,)):
        return "REVERSE_V2", None, [x(shape, d), i32(*axes)], x(shape, d)

    every(s, "reverse_v2", reverse)
    for k, (shape, axes) in enumerate([((5,), (0,)), ((2, 3), (0, 1)), ((2, 3, 2), (1, 2)), ((2, 3, 2), (0, 1, 2)), ((2, 3, 2, 2), (3,)), ((2, 3), (-1,)), ((1, 4), (0,))]):
        case(s, f"reverse_v2_shape{k}", *reverse(F32, shape, axes))


def chains(s):
    """Shape arithmetic that becomes constant once the input's shape is known."""
    v, n, last, pair, out = x((2, 3, 4)), T((3,), S32), T((), S32), T((2,), S32), x((4, 6))
    slot = ("StridedSliceOptions", {"shrinkAxisMask": 1})
    ops = [Op("SHAPE", ("ShapeOptions", {"outType": 2}), [v], [n]), Op("STRIDED_SLICE", slot, [n, i32(2), i32(3), i32(1)], [last]),
           Op("PACK", ("PackOptions", {"valuesCount": 2, "axis": 0}), [last, const(np.array(-1, np.int32))], [pair]), Op("RESHAPE", ("ReshapeOptions", {"newShape": [4, 6]}), [v, pair], [out])]
    several(s, "chain_shape_pack_reshape", [Graph([v], [out], ops)], "SHAPE", oracle="litert")
    v, n, most, tail, whole, out = x((2, 5), S8), T((2,), S32), T((1,), S32), T((1,), S32), T((2,), S32), x((5, 2), S8)
    ops = [Op("SHAPE", ("ShapeOptions", {"outType": 2}), [v], [n]), Op("SLICE", None, [n, i32(0), i32(1)], [most]), Op("SLICE", None, [n, i32(1), i32(1)], [tail]),
           Op("CONCATENATION", ("ConcatenationOptions", {"axis": 0}), [tail, most], [whole]), Op("RESHAPE", ("ReshapeOptions", {"newShape": [5, 2]}), [v, whole], [out])]
    several(s, "chain_slice_concat_reshape", [Graph([v], [out], ops)], "RESHAPE", oracle="litert")
    v, n, r, dims, out = x((3, 2)), T((2,), S32), T((2,), S32), T((2,), S32), x((2, 3))
    ops = [Op("SHAPE", ("ShapeOptions", {"outType": 2}), [v], [n]), Op("REVERSE_V2", None, [n, i32(0)], [r]), Op("GATHER", ("GatherOptions", {"axis": 0}), [r, i32(0, 1)], [dims]),
           Op("FILL", None, [dims, const(np.float32(1.5))], [out])]
    several(s, "chain_reverse_gather_fill", [Graph([v], [out], ops)], "FILL", oracle="litert")
    # uint8 goes through every mover with its bytes.
    v, a, b, c, out = x((2, 4), U8), x((4, 2), U8), x((4, 2), U8), x((6, 2), U8), x((2, 2), U8)
    ops = [Op("TRANSPOSE", None, [v, i32(1, 0)], [a]), Op("REVERSE_V2", None, [a, i32(0)], [b]), Op("PAD", None, [b, const(np.array([[1, 1], [0, 0]], np.int32))], [c]),
           Op("SLICE", None, [c, i32(0, 0), i32(2, 2)], [out])]
    several(s, "chain_u8", [Graph([v], [out], ops)], "PAD", oracle="builtin")
    # Behind a transpose, which moves to the other side of what follows.
    def behind(name, d, op, options, rest, out, version=1, quant=None, oracle="litert"):
        v, t = x((2, 3, 4), d), x((4, 2, 3), d)
        y = T(out, d, **quant) if quant else x(out, d)
        several(s, f"chain_transpose_{name}_{name_of(d)}", [Graph([v], [y], [Op("TRANSPOSE", None, [v, i32(2, 0, 1)], [t]), Op(op, options, [t] + rest, [y], version)])], op, oracle=oracle)

    for d in (F32, S8, U8):
        zero = const(np.array(1, d), **QUANT.get(np.dtype(d), {}))
        behind("pad", d, "PAD", None, [const(np.array([[1, 0], [0, 2], [1, 1]], np.int32))], (5, 4, 5), 2)
        behind("dilate", d, "DILATE", None, [i32(1, 2, 3), zero], (4, 3, 7))
        behind("hlo_pad", d, "STABLEHLO_PAD", ("StablehloPadOptions", {"edgePaddingLow": [1, 0, 2], "edgePaddingHigh": [-1, 1, 0], "interiorPadding": [0, 1, 2]}), [zero], (4, 4, 9))
        behind("slice", d, "SLICE", None, [i32(1, 0, 1), i32(2, 2, -1)], (2, 2, 2))
        behind("strided_slice", d, "STRIDED_SLICE", ("StridedSliceOptions", {"shrinkAxisMask": 2}), [i32(3, 1, 0), i32(0, 2, 3), i32(-2, 1, 2)], (2, 2))
        behind("reverse", d, "REVERSE_V2", None, [i32(1, 2)], (4, 2, 3))
        behind("mirror", d, "MIRROR_PAD", ("MirrorPadOptions", {"mode": 1}), [const(np.array([[1, 0], [0, 2], [1, 1]], np.int32))], (5, 4, 5))
        behind("concatenation", d, "CONCATENATION", ("ConcatenationOptions", {"axis": 1}), [const(np.ones((4, 1, 3), d), **QUANT.get(np.dtype(d), {}))], (4, 3, 3))
        behind("gather", d, "GATHER", ("GatherOptions", {"axis": 1}), [i32(1, 1, 0)], (4, 3, 3))
        behind("tile", d, "TILE", None, [i32(1, 2, 1)], (4, 4, 3))
        behind("transpose", d, "TRANSPOSE", None, [i32(1, 2, 0)], (2, 3, 4))
        behind("pack", d, "PACK", ("PackOptions", {"valuesCount": 2, "axis": 1}), [const(np.ones((4, 2, 3), d), **QUANT.get(np.dtype(d), {}))], (4, 2, 2, 3), oracle=None)
    behind("concatenation_scale", U8, "CONCATENATION", ("ConcatenationOptions", {"axis": 1}), [const(np.arange(12, dtype=np.uint8).reshape(4, 1, 3), scale=0.3, zero=7)], (4, 3, 3), quant=dict(scale=0.11, zero=90))


def cases(s):
    strided_slices(s)
    computed(s)
    slices(s)
    chains(s)
