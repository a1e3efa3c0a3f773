"""Operators that move data: what their outputs hold are elements of their inputs, in other places."""
import ml_dtypes
import numpy as np

from suite import Graph, Op, T, const

F32, F16, BF16, S8, U8, S16, S32, S64, U32, BOOL = (np.dtype(d) for d in (
    np.float32, np.float16, ml_dtypes.bfloat16, np.int8, np.uint8, np.int16, np.int32, np.int64, np.uint32, np.bool_))
ALL = [F32, F16, BF16, S8, U8, S16, S32, S64, U32, BOOL]
QUANT = {S8: dict(scale=0.05, zero=-7), U8: dict(scale=0.05, zero=121), S16: dict(scale=0.001, zero=0)}


def x(shape, dtype=F32, plain=False):
    """A tensor with the quantization that is usual for its type, none with plain."""
    return T(shape, dtype, **({} if plain else QUANT.get(np.dtype(dtype), {})))


def index(shape, dtype, low, high):
    """A model input of indices from low to before high."""
    t = T(shape, dtype)
    t.span = low, high
    return t


def i32(*v):
    return const(np.array(v, np.int32))


def scalar(v, dtype):
    return const(np.array(v, dtype))


def name_of(dtype):
    return np.dtype(dtype).name


def sample(s, t, edge):
    if hasattr(t, "span"):
        return s.rng.integers(*t.span, size=t.shape, dtype=t.dtype)
    if t.dtype == BF16:
        return (s.rng.integers(-64, 64, size=t.shape) / 8).astype(BF16)
    return s.sample(t, edge)


def case(s, name, op, options, ins, outs, version=1, samples=1, oracle=None, runs=None):
    """A case with one operator. The oracle is tflite-micro; where it refuses LiteRT's reference resolver, then its built-in kernels."""
    outs = [outs] if isinstance(outs, T) else outs
    live = list(dict.fromkeys(t for t in ins if t is not None and t.data is None))
    graph = [Graph(live, outs, [Op(op, options, ins, outs, version)])]
    several(s, name, graph, op, samples, oracle, runs)


def several(s, name, graph, op, samples=1, oracle=None, runs=None):
    runs = runs or [[sample(s, t, k == 0) for t in graph[0].inputs] for k in range(samples)]
    for o in [oracle] if oracle else ["tflm", "litert", "builtin"]:
        try:
            s.add_model(name, graph, op, inputs=runs, oracle=o)
            return
        except SystemExit as e:
            refused = e
    raise refused


def every(s, name, make, dtypes=ALL, **kw):
    """One case for each type that an oracle runs; make gives (operator, options, inputs, outputs, version) for a type."""
    done = []
    for d in dtypes:
        try:
            case(s, f"{name}_{name_of(d)}", *make(d), **kw)
            done.append(name_of(d))
        except SystemExit:
            pass
    missing = [name_of(d) for d in dtypes if name_of(d) not in done]
    if missing:
        print(f"{name}: no oracle for {', '.join(missing)}")


def pads(s):
    def pad(d, shape=(1, 3, 2, 2), p=((0, 1), (1, 2), (0, 3), (2, 0)), op="PAD", value=None):
        out = x([n + a + b for n, (a, b) in zip(shape, p)], d)
        ins = [x(shape, d), const(np.array(p, np.int32).reshape(len(shape), 2))] + ([] if value is None else [value])
        return op, None, ins, out, 2

    def value(d, v=3):
        return const(np.array([v], d), **QUANT.get(np.dtype(d), {}))

    every(s, "pad", pad)
    every(s, "padv2", lambda d: pad(d, op="PADV2", value=value(d)))
    for d in (F32, S8, U8, S16, S32):
        case(s, f"pad_rank1_{name_of(d)}", *pad(d, (5,), ((2, 3),)))
        case(s, f"padv2_computed_{name_of(d)}", *pad(d, op="PADV2", value=x((), d)), samples=2)
    for k, (shape, p) in enumerate([((2, 3), ((1, 0), (0, 2))), ((3,), ((0, 0),)), ((2, 1, 3), ((0, 0), (4, 0), (0, 0))), ((1, 2, 3, 4), ((0, 0), (0, 0), (1, 1), (0, 0))),
                                    ((1, 2, 1, 2, 2), ((1, 0), (0, 1), (0, 0), (2, 0), (0, 1)))]):
        for d in (F32, S8):
            case(s, f"pad_shape{k}_{name_of(d)}", *pad(d, shape, p))
            case(s, f"padv2_shape{k}_{name_of(d)}", *pad(d, shape, p, "PADV2", value(d, -5)))
    p64 = const(np.array([[1, 2], [0, 1]], np.int64))
    case(s, "pad_int64_paddings", "PAD", None, [x((2, 2)), p64], x((5, 3)), 2)
    for zero in (-128, 127):
        q = dict(scale=0.1, zero=zero)
        case(s, f"pad_s8_zero{zero}", "PAD", None, [T((1, 2, 2, 1), S8, **q), const(np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))], T((1, 4, 4, 1), S8, **q), 2)
        q = dict(scale=0.1, zero=zero + 128)
        case(s, f"pad_u8_zero{zero + 128}", "PAD", None, [T((1, 2, 2, 1), U8, **q), const(np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))], T((1, 4, 4, 1), U8, **q), 2)
    # The border shows the output's zero point, the rest is copied as it is.
    case(s, "pad_s8_other_scale", "PAD", None, [T((2, 2), S8, scale=0.1, zero=3), const(np.array([[1, 0], [0, 1]], np.int32))], T((3, 3), S8, scale=0.2, zero=-9), 2)
    case(s, "pad_plain_u8", "PAD", None, [x((2, 2), U8, True), const(np.array([[1, 0], [0, 1]], np.int32))], x((3, 3), U8, True), 2)
    case(s, "pad_large", *pad(F32, (1, 12, 9, 5), ((0, 0), (3, 2), (2, 3), (0, 0))))

    def mirror(d, shape=(3, 4), p=((2, 1), (1, 3)), mode=0):
        out = x([n + a + b for n, (a, b) in zip(shape, p)], d)
        return "MIRROR_PAD", ("MirrorPadOptions", {"mode": mode}), [x(shape, d), const(np.array(p, np.int32))], out

    every(s, "mirror_reflect", mirror)
    every(s, "mirror_symmetric", lambda d: mirror(d, p=((3, 1), (2, 4)), mode=1))
    for k, (shape, p) in enumerate([((5,), ((4, 2),)), ((1, 2, 3, 2), ((0, 0), (1, 1), (2, 2), (0, 0))), ((2, 3, 2), ((1, 0), (0, 0), (0, 1))), ((2, 2, 2, 2, 3), ((1, 0), (0, 1), (1, 1), (0, 0), (2, 1)))]):
        for mode in (0, 1):
            for d in (F32, S8):
                case(s, f"mirror{mode}_shape{k}_{name_of(d)}", *mirror(d, shape, p, mode))
    case(s, "mirror_int64_paddings", "MIRROR_PAD", ("MirrorPadOptions", {"mode": 0}), [x((3,)), const(np.array([[2, 1]], np.int64))], x((6,)))

    def dilate(d, shape=(2, 3), f=(2, 3)):
        out = x([(n - 1) * k + 1 for n, k in zip(shape, f)], d)
        return "DILATE", None, [x(shape, d), i32(*f), const(np.array(2, d), **QUANT.get(np.dtype(d), {}))], out

    every(s, "dilate", dilate)
    for k, (shape, f) in enumerate([((5,), (3,)), ((2, 2, 3), (1, 2, 1)), ((2, 1, 2, 2), (2, 5, 1, 2)), ((3, 4), (1, 1))]):
        case(s, f"dilate_shape{k}", *dilate(F32, shape, f))

    def hlo(d, shape=(2, 3), low=(1, 0), high=(0, 2), inner=(0, 1)):
        out = x([n + max(n - 1, 0) * k + a + b for n, a, b, k in zip(shape, low, high, inner)], d)
        options = {"edgePaddingLow": list(low), "edgePaddingHigh": list(high), "interiorPadding": list(inner)}
        return "STABLEHLO_PAD", ("StablehloPadOptions", options), [x(shape, d), x((), d)], out

    every(s, "stablehlo_pad", hlo)
    for k, args in enumerate([((5,), (-1,), (2,), (0,)), ((5,), (-2,), (-1,), (1,)), ((3, 4), (1, -1), (-1, 1), (0, 0)), ((2, 1, 3), (0, 2, -3), (1, 0, 0), (2, 5, 1)), ((4,), (0,), (0,), (0,))]):
        case(s, f"stablehlo_pad_shape{k}", *hlo(F32, *args), oracle="litert")


def joins(s):
    def concat(d, shapes, axis, plain=False):
        out = list(shapes[0])
        out[axis] = sum(n[axis] for n in shapes)
        return "CONCATENATION", ("ConcatenationOptions", {"axis": axis}), [x(n, d, plain) for n in shapes], x(out, d, plain)

    for axis in (0, 1, 2, -1, -3):
        other = [2, 3, 4]
        other[axis] = 5
        for d in (F32, S8):
            case(s, f"concatenation_{name_of(d)}_{axis}", *concat(d, [(2, 3, 4), other], axis))
    every(s, "concatenation", lambda d: concat(d, [(2, 1, 3), (2, 2, 3), (2, 1, 3)], 1))
    case(s, "concatenation_one", *concat(F32, [(2, 3)], 0))
    case(s, "concatenation_ten", *concat(S8, [(1, k + 1) for k in range(10)], 1))
    case(s, "concatenation_rank1", *concat(S16, [(3,), (1,), (4,)], 0))
    case(s, "concatenation_rank5", *concat(F32, [(1, 2, 1, 2, 2), (1, 2, 3, 2, 2)], 2))
    case(s, "concatenation_plain_s8", *concat(S8, [(2, 2), (2, 3)], 1, True))
    a, b = x((2, 3)), const(np.arange(4, dtype=np.float32).reshape(2, 2))
    case(s, "concatenation_constant", "CONCATENATION", ("ConcatenationOptions", {"axis": 1}), [a, b], x((2, 5)))
    a = x((2, 3))
    case(s, "concatenation_twice", "CONCATENATION", ("ConcatenationOptions", {"axis": 0}), [a, a], x((4, 3)))
    # uint8 inputs are converted to the output's scale, in float32.
    for k, (sa, za, sb, zb, so, zo) in enumerate([(0.05, 121, 0.1, 3, 0.08, 77), (0.02, 0, 0.5, 255, 0.25, 128), (1 / 3, 9, 0.007, 200, 0.011, 13), (0.5, 128, 0.5, 127, 0.5, 128),
                                                  (1.0, 10, 2.0, 20, 1.0, 0), (0.5, 0, 1.5, 7, 1.0, 0)]):
        full = const(np.arange(256, dtype=np.uint8).reshape(1, 256), scale=sb, zero=zb)
        case(s, f"concatenation_u8_scales{k}", "CONCATENATION", ("ConcatenationOptions", {"axis": 1}), [T((1, 7), U8, scale=sa, zero=za), full], T((1, 263), U8, scale=so, zero=zo))

    def pack(d, shape=(2, 3), n=3, axis=1):
        out = list(shape)
        out.insert(axis if axis >= 0 else len(shape) + 1 + axis, n)
        return "PACK", ("PackOptions", {"valuesCount": n, "axis": axis}), [x(shape, d) for _ in range(n)], x(out, d)

    def unpack(d, shape=(2, 3, 2), axis=1):
        rest = list(shape)
        n = rest.pop(axis)
        return "UNPACK", ("UnpackOptions", {"num": n, "axis": axis}), [x(shape, d)], [x(rest, d) for _ in range(n)]

    every(s, "pack", pack)
    every(s, "unpack", unpack)
    for axis in (0, 1, 2, -1, -3):
        case(s, f"pack_axis{axis}", *pack(F32, axis=axis))
        case(s, f"unpack_axis{axis}", *unpack(S8, axis=axis))
    case(s, "pack_scalars", *pack(S32, (), 4, 0))
    case(s, "pack_one", *pack(F32, (3,), 1, 0))
    case(s, "unpack_vector", *unpack(S32, (4,), 0))
    case(s, "unpack_one", *unpack(F32, (1, 3), 0))
    case(s, "unpack_rank4", *unpack(F32, (1, 2, 3, 2), 2))


def shapes(s):
    def reshape(d, shape=(2, 3, 4), to=(2, -1), out=(2, 12)):
        return "RESHAPE", ("ReshapeOptions", {"newShape": list(to)}), [x(shape, d), i32(*to)], x(out, d)

    every(s, "reshape", reshape)
    for k, (shape, to, out) in enumerate([((2, 3, 4), (24,), (24,)), ((6,), (1, 2, 3, 1), (1, 2, 3, 1)), ((2, 2), (-1,), (4,)), ((1,), (), ()), ((2, 3), (-1, 1, 1, 2), (3, 1, 1, 2)),
                                          ((2, 1, 2, 1, 2, 1), (4, 2), (4, 2))]):
        case(s, f"reshape_shape{k}", *reshape(F32, shape, to, out), oracle="litert")
    for k, (shape, to, out) in enumerate([((2, 3), [3, 2], (3, 2)), ((1, 1), [0], ()), ((4, 2), [2, -1], (2, 4))]):
        case(s, f"reshape_option{k}", "RESHAPE", ("ReshapeOptions", {"newShape": to}), [x(shape)], x(out), oracle="litert")
    case(s, "reshape_shape_over_option", "RESHAPE", ("ReshapeOptions", {"newShape": [1, 6]}), [x((2, 3)), i32(3, 2)], x((3, 2)))
    case(s, "reshape_s8_other_scale", "RESHAPE", ("ReshapeOptions", {"newShape": [4]}), [T((2, 2), S8, scale=0.1), i32(4)], T((4,), S8, scale=0.2, zero=5))

    def squeeze(d, shape=(1, 3, 1, 2), dims=(0, 2), out=(3, 2)):
        return "SQUEEZE", ("SqueezeOptions", {"squeezeDims": list(dims)}), [x(shape, d)], x(out, d)

    every(s, "squeeze", squeeze)
    for k, (shape, dims, out) in enumerate([((1, 3, 1, 2), (), (3, 2)), ((1, 3, 1, 2), (-2,), (1, 3, 2)), ((1, 1, 1), (), ()), ((1, 3, 1), (-1, 0), (3,)), ((3, 2), (), (3, 2))]):
        case(s, f"squeeze_shape{k}", *squeeze(F32, shape, dims, out))

    def expand(d, shape=(2, 3), axis=1):
        out = list(shape)
        out.insert(axis if axis >= 0 else len(shape) + 1 + axis, 1)
        return "EXPAND_DIMS", None, [x(shape, d), i32(axis)], x(out, d)

    every(s, "expand_dims", expand)
    for axis in (0, 2, -1, -3):
        case(s, f"expand_dims_axis{axis}", *expand(F32, axis=axis))
    case(s, "expand_dims_wide_axis", "EXPAND_DIMS", None, [x((2,)), const(np.array(0, np.int64))], x((1, 2)), oracle="litert")
    case(s, "expand_dims_scalar", *expand(F32, (), 0), oracle="litert")

    for k, shape in enumerate([(2, 3, 4), (), (1,), (5, 1, 1, 1, 2, 3)]):
        y = T((len(shape),), S32)
        if shape:
            case(s, f"shape{k}", "SHAPE", ("ShapeOptions", {"outType": 2}), [x(shape)], y, oracle="litert")
        case(s, f"rank{k}", "RANK", None, [x(shape)], T((), S32))
    case(s, "shape_int64", "SHAPE", ("ShapeOptions", {"outType": 4}), [x((2, 7), S8)], T((2,), S64))

    def cast(a, b, shape, out):
        return "BITCAST", None, [T(shape, a), ], T(out, b)

    for a, b, shape, out in [(F32, S32, (2, 3), (2, 3)), (S32, F32, (4,), (4,)), (F32, U8, (2,), (2, 4)), (U8, F32, (3, 4), (3,)), (S64, S32, (2, 2), (2, 2, 2)), (S16, S32, (2, 2), (2,)),
                             (S8, U8, (5,), (5,)), (U32, S32, (3,), (3,)), (S8, S64, (2, 8), (2,)), (F32, S16, (), (2,)), (S16, F16, (3,), (3,))]:
        case(s, f"bitcast_{name_of(a)}_{name_of(b)}_{len(shape)}", *cast(a, b, shape, out))
    case(s, "bitcast_quantized_u8", "BITCAST", None, [x((2, 4), U8)], T((2,), S32))
    case(s, "bitcast_to_quantized_u8", "BITCAST", None, [T((2,), S32)], x((2, 4), U8))

    def transpose(d, shape=(2, 3, 4), perm=(2, 0, 1)):
        return "TRANSPOSE", None, [x(shape, d), i32(*perm)], x([shape[p] for p in perm], d)

    every(s, "transpose", transpose)
    for k, (shape, perm) in enumerate([((2, 3), (1, 0)), ((1, 3, 4, 2), (0, 3, 1, 2)), ((1, 2, 3, 4), (0, 2, 3, 1)), ((3, 2, 2), (0, 1, 2)), ((5,), (0,)), ((2, 3, 2, 2), (3, 2, 1, 0)),
                                       ((2, 1, 3, 2, 2), (4, 2, 0, 3, 1)), ((2, 1, 3, 1, 2, 2), (5, 0, 3, 2, 4, 1)), ((2, 3, 2), (-1, 0, -2)), ((1, 1, 7, 5), (0, 1, 3, 2))]):
        for d in (F32, S8):
            case(s, f"transpose_shape{k}_{name_of(d)}", *transpose(d, shape, perm))


def repeats(s):
    def tile(d, shape=(2, 1, 3), times=(2, 3, 1), it=S32):
        return "TILE", None, [x(shape, d), const(np.array(times, it))], x([a * b for a, b in zip(shape, times)], d)

    every(s, "tile", tile)
    for k, (shape, times) in enumerate([((3,), (4,)), ((2, 2), (1, 1)), ((2, 2), (1, 3)), ((2, 2), (3, 1)), ((1, 2, 3, 2), (2, 1, 2, 3)), ((2, 1, 2, 1, 2), (2, 2, 2, 2, 2)), ((2, 3), (0, 2))]):
        case(s, f"tile_shape{k}", *tile(F32, shape, times), oracle="litert" if 0 in times else None)
    case(s, "tile_wide_multiples", *tile(S32, it=S64))

    def broadcast(d, shape=(2, 1, 3), to=(4, 2, 2, 3), it=S32):
        return "BROADCAST_TO", None, [x(shape, d), const(np.array(to, it))], x(to, d), 2

    every(s, "broadcast_to", broadcast)
    for k, (shape, to) in enumerate([((), (2, 3)), ((1,), (5,)), ((3, 1), (3, 4)), ((2, 3), (2, 3)), ((1, 2, 1, 2, 1), (2, 2, 3, 2, 2)), ((3,), (1, 2, 1, 2, 1, 3)), ((1, 1, 1), (2, 2, 2))]):
        case(s, f"broadcast_to_shape{k}", *broadcast(F32, shape, to))
    case(s, "broadcast_to_wide_shape", *broadcast(S8, it=S64))

    for k, (a, b) in enumerate([((2, 3), (3,)), ((1,), (4, 2)), ((2, 1, 5), (3, 1)), ((4,), (4,)), ((7, 1), (1, 6))]):
        for it in (S32, S64):
            n = max(len(a), len(b))
            case(s, f"broadcast_args{k}_{name_of(it)}", "BROADCAST_ARGS", None, [T((len(a),), it), T((len(b),), it)], T((n,), it), runs=[[np.array(a, it), np.array(b, it)]])
    a, b = const(np.array([2, 1], np.int32)), const(np.array([1, 3], np.int32))
    y, z = T((2,), S32), T((2, 3), F32)
    v = x((2, 1))
    several(s, "broadcast_args_folds", [Graph([v], [z], [Op("BROADCAST_ARGS", None, [a, b], [y], 1), Op("BROADCAST_TO", None, [v, y], [z], 2)])], "BROADCAST_ARGS", oracle="litert")

    def fill(d, dims=(2, 3), it=S32):
        return "FILL", None, [const(np.array(dims, it)), x((), d)], x(dims, d)

    every(s, "fill", fill)
    for k, dims in enumerate([(), (5,), (1, 2, 3, 2), (2, 0, 3)]):
        case(s, f"fill_shape{k}", *fill(F32, dims), oracle="litert")
    case(s, "fill_wide_shape", *fill(F32, it=S64))
    case(s, "fill_constant", "FILL", None, [i32(2, 2), const(np.array(7, np.int32))], T((2, 2), S32), oracle="litert", runs=[[]])
    every(s, "zeros_like", lambda d: ("ZEROS_LIKE", None, [x((2, 3), d)], x((2, 3), d)))
    case(s, "zeros_like_scalar", "ZEROS_LIKE", None, [x(())], x(()))

    for k, (d, a, b, c) in enumerate([(S32, 0, 10, 3), (S32, 5, -5, -2), (S32, 4, 5, 9), (S64, -7, 9, 4), (F32, 0, 1, 0.1), (F32, 2.5, -1, -0.7), (F32, 0, 100, 7.3), (S32, -2147483648, -2147483640, 3),
                                      (F32, 1e7, 1.0000005e7, 1)]):
        n = int(np.ceil((b - a) / c)) if d != F32 else int(np.ceil(np.abs((np.float32(b) - np.float32(a)) / np.float32(c))))
        case(s, f"range{k}_{name_of(d)}", "RANGE", None, [scalar(a, d), scalar(b, d), scalar(c, d)], T((n,), d), runs=[[]])


def blocks(s):
    def to_depth(d, shape=(1, 4, 6, 2), b=2):
        n, h, w, c = shape
        return "SPACE_TO_DEPTH", ("SpaceToDepthOptions", {"blockSize": b}), [x(shape, d)], x((n, h // b, w // b, c * b * b), d)

    def to_space(d, shape=(1, 2, 3, 8), b=2):
        n, h, w, c = shape
        return "DEPTH_TO_SPACE", ("DepthToSpaceOptions", {"blockSize": b}), [x(shape, d)], x((n, h * b, w * b, c // (b * b)), d)

    every(s, "space_to_depth", to_depth)
    every(s, "depth_to_space", to_space)
    for k, (shape, b) in enumerate([((2, 3, 3, 1), 3), ((1, 2, 2, 5), 2), ((1, 1, 3, 2), 1), ((3, 2, 4, 1), 2)]):
        case(s, f"space_to_depth_shape{k}", *to_depth(F32, shape, b))
    for k, (shape, b) in enumerate([((2, 1, 1, 9), 3), ((1, 1, 2, 20), 2), ((1, 1, 3, 2), 1), ((3, 2, 1, 4), 2)]):
        case(s, f"depth_to_space_shape{k}", *to_space(F32, shape, b))

    def to_batch(d, shape=(1, 3, 4, 2), b=(2, 3), p=((0, 1), (1, 1)), it=S32):
        out = [shape[0] * int(np.prod(b))] + [(n + i + j) // k for n, (i, j), k in zip(shape[1:], p, b)] + list(shape[1 + len(b):])
        return "SPACE_TO_BATCH_ND", None, [x(shape, d), const(np.array(b, it)), const(np.array(p, it))], x(out, d)

    def from_batch(d, shape=(6, 2, 2, 2), b=(2, 3), p=((0, 1), (1, 1)), it=S32):
        out = [shape[0] // int(np.prod(b))] + [n * k - i - j for n, (i, j), k in zip(shape[1:], p, b)] + list(shape[1 + len(b):])
        return "BATCH_TO_SPACE_ND", None, [x(shape, d), const(np.array(b, it)), const(np.array(p, it))], x(out, d)

    # tflite-micro fills an int8 border with the byte 0, which is not zero with a zero point: there LiteRT decides.
    every(s, "space_to_batch_nd", to_batch, oracle="litert")
    every(s, "batch_to_space_nd", from_batch)
    none = ((0, 0), (0, 0))
    for k, (shape, b, p) in enumerate([((1, 2, 4, 1), (2, 2), none), ((2, 3, 3, 3), (3, 3), none), ((2, 5, 3), (3,), ((0, 1),)), ((1, 1, 1, 2), (2, 2), ((1, 0), (0, 1))), ((2, 4, 2), (2,), ((0, 0),))]):
        for d in (F32, S8):
            case(s, f"space_to_batch_nd_shape{k}_{name_of(d)}", *to_batch(d, shape, b, p), oracle="litert")
    for k, (shape, b, p) in enumerate([((4, 1, 2, 1), (2, 2), none), ((9, 1, 1, 3), (3, 3), none), ((6, 2, 3), (3,), ((0, 1),)), ((4, 1, 1, 2), (2, 2), ((1, 0), (0, 1))), ((4, 3, 2), (2,), ((2, 0),))]):
        for d in (F32, S8):
            case(s, f"batch_to_space_nd_shape{k}_{name_of(d)}", *from_batch(d, shape, b, p))
    for zero in (0, 255):
        q = dict(scale=0.1, zero=zero)
        case(s, f"space_to_batch_nd_u8_zero{zero}", "SPACE_TO_BATCH_ND", None, [T((1, 1, 3, 1), U8, **q), i32(2, 2), const(np.array([[1, 0], [0, 1]], np.int32))], T((4, 1, 2, 1), U8, **q))


def cases(s):
    pads(s)
    joins(s)
    shapes(s)
    repeats(s)
    blocks(s)
