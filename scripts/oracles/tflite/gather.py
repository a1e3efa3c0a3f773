"""Operators that move data to or from places that other data names."""
import numpy as np

from move import BOOL, F32, S8, S16, S32, S64, U8, U32, case, every, i32, index, name_of, x
from suite import T, const


def gathers(s):
    def gather(d, shape=(4, 3), idx=(2, 2), axis=0, batch=0, it=S32):
        rank = len(shape)
        axis_, batch_ = axis + rank if axis < 0 else axis, batch + len(idx) if batch < 0 else batch
        out = list(shape[:axis_]) + list(idx[batch_:]) + list(shape[axis_ + 1:])
        return "GATHER", ("GatherOptions", {"axis": axis, "batchDims": batch}), [x(shape, d), index(idx, it, 0, shape[axis_])], x(out, d), 5 if batch else 1

    every(s, "gather", gather, samples=2)
    for it in (S16, S32, S64):
        case(s, f"gather_by_{name_of(it)}", *gather(F32, it=it))
    for k, (shape, idx, axis, batch) in enumerate([((5,), (3,), 0, 0), ((5,), (), 0, 0), ((2, 3, 4), (5,), 1, 0), ((2, 3, 4), (2, 2), -1, 0), ((2, 3, 4), (1,), -3, 0), ((2, 4, 3), (2, 5), 1, 1),
                                                   ((2, 4, 3), (2,), 1, 1), ((2, 2, 4, 3), (2, 2, 3), 2, 2), ((2, 3, 4), (2, 2), 2, 1), ((3, 5), (3, 2), 1, -1), ((2, 3, 2, 2), (2, 3), 2, 1), ((1, 7), (9,), 1, 0)]):
        for d in (F32, S8):
            case(s, f"gather_shape{k}_{name_of(d)}", *gather(d, shape, idx, axis, batch))
    table = const((np.arange(40) % 13).astype(np.float32).reshape(10, 4))
    case(s, "gather_constant_table", "GATHER", ("GatherOptions", {"axis": 0}), [table, index((6,), S32, 0, 10)], x((6, 4)), samples=2)
    case(s, "gather_constant_indices", "GATHER", ("GatherOptions", {"axis": 1}), [x((2, 4), S8), i32(3, 0, 0, 2)], x((2, 4), S8), samples=2)

    def nd(d, shape=(3, 4, 2), idx=(5, 2), it=S32):
        depth = idx[-1]
        high = min(shape[:depth]) if depth else 1
        return "GATHER_ND", None, [x(shape, d), index(idx, it, 0, high)], x(list(idx[:-1]) + list(shape[depth:]), d)

    every(s, "gather_nd", nd, samples=2)
    for it in (S16, S32, S64):
        case(s, f"gather_nd_by_{name_of(it)}", *nd(F32, it=it))
    for k, (shape, idx) in enumerate([((5,), (1,)), ((5,), (4, 1)), ((2, 3), (2, 2, 2)), ((2, 3, 4), (3, 3)), ((2, 3, 4), (2, 1)), ((2, 2, 2, 3), (2, 3)), ((3, 2), (2, 1, 1))]):
        for d in (F32, S8):
            case(s, f"gather_nd_shape{k}_{name_of(d)}", *nd(d, shape, idx))


def scatters(s):
    def scatter(d, shape=(4, 3), idx=(3, 1), plain=False):
        depth = idx[-1]
        return "SCATTER_ND", None, [index(idx, S32, 0, min(shape[:depth])), x(list(idx[:-1]) + list(shape[depth:]), d, plain), i32(*shape)], x(shape, d, plain)

    every(s, "scatter_nd", scatter, samples=2)
    for k, (shape, idx) in enumerate([((8,), (4, 1)), ((4, 4), (5, 2)), ((2, 3, 4), (2, 1)), ((2, 3, 4), (2, 2, 2)), ((3, 3, 3), (4, 3)), ((5,), (1, 1))]):
        for d in (F32, S8, S64):
            case(s, f"scatter_nd_shape{k}_{name_of(d)}", *scatter(d, shape, idx))
    for d in (F32, S8, U8, S32, S64, BOOL):
        # Updates of one point add up, in their order.
        up, idx = x((6, 2), d, True), const(np.array([[1], [0], [1], [1], [3], [0]], np.int32))
        case(s, f"scatter_nd_same_point_{name_of(d)}", "SCATTER_ND", None, [idx, up, i32(4, 2)], x((4, 2), d, True), samples=2)
    up, idx = x((3, 2), U8), const(np.array([[1], [0], [1]], np.int32))
    case(s, "scatter_nd_same_point_quantized_u8", "SCATTER_ND", None, [idx, up, i32(4, 2)], x((4, 2), U8), samples=2)

    def dense(d, shape=(3, 4), idx=(4, 2), values=(4,), it=S32):
        span = min(shape) if len(idx) == 2 else shape[0]
        return "SPARSE_TO_DENSE", ("SparseToDenseOptions", {"validateIndices": False}), [index(idx, it, 0, span), const(np.array(shape, it)), x(values, d), x((), d)], x(shape, d)

    every(s, "sparse_to_dense", dense, samples=2)
    for k, (shape, idx, values) in enumerate([((5,), (3,), (3,)), ((5,), (1,), ()), ((2, 3, 4), (3, 3), (3,)), ((2, 2, 3, 2), (2, 4), (2,)), ((4,), (2, 1), (2,)), ((3, 3), (1, 2), ())]):
        for it in (S32, S64):
            case(s, f"sparse_to_dense_shape{k}_{name_of(it)}", *dense(F32, shape, idx, values, it))

    def update(d, shape=(4, 5), part=(2, 3), it=S32):
        return "DYNAMIC_UPDATE_SLICE", None, [x(shape, d), x(part, d), index((len(shape),), it, -2, 6)], x(shape, d)

    every(s, "dynamic_update_slice", update, samples=2)
    for k, (shape, part) in enumerate([((6,), (2,)), ((2, 3), (2, 3)), ((2, 3, 4), (1, 3, 2)), ((1, 4, 2, 3), (1, 1, 2, 3)), ((3, 4), (1, 1)), ((2, 2, 3, 2, 2), (1, 2, 2, 1, 2))]):
        for it in (S32, S64):
            case(s, f"dynamic_update_slice_shape{k}_{name_of(it)}", *update(F32, shape, part, it), samples=2)


def rows(s):
    def one_hot(d, idx=(5,), depth=4, axis=-1, it=S32):
        out = list(idx)
        out.insert(len(idx) if axis == -1 else axis, depth)
        return "ONE_HOT", ("OneHotOptions", {"axis": axis}), [index(idx, it, -1, depth + 1), const(np.array(depth, np.int32)), x((), d, True), x((), d, True)], x(out, d, True)

    every(s, "one_hot", one_hot, samples=2)
    for k, (idx, depth, axis) in enumerate([((), 3, -1), ((3,), 5, 0), ((2, 3), 4, 1), ((2, 3), 4, 0), ((2, 3), 4, -1), ((2, 3), 4, 2), ((1,), 1, 0)]):
        for it in (S32, S64):
            case(s, f"one_hot_shape{k}_{name_of(it)}", *one_hot(F32, idx, depth, axis, it))
    far = [[np.array([0, 1, 2**32, 2**32 + 2, -(2**32), 2**31 + 1], np.int64), np.array(2, np.float32), np.array(-1, np.float32)]]
    case(s, "one_hot_far_indices", *one_hot(F32, (6,), 3, -1, S64), runs=far)

    def reverse(d, shape=(3, 4, 2), seq=1, batch=0, it=S32):
        return "REVERSE_SEQUENCE", ("ReverseSequenceOptions", {"seqDim": seq, "batchDim": batch}), [x(shape, d), index((shape[batch],), it, 1, shape[seq] + 1)], x(shape, d)

    every(s, "reverse_sequence", reverse, samples=2)
    for k, (shape, seq, batch) in enumerate([((3, 4), 1, 0), ((4, 3), 0, 1), ((2, 3, 4), 2, 0), ((2, 3, 4), 0, 2), ((2, 3, 4), 2, 1), ((2, 3, 2, 2), 1, 3), ((2, 2, 2, 3), 3, 1), ((1, 5), 1, 0)]):
        for it in (S32, S64):
            case(s, f"reverse_sequence_shape{k}_{name_of(it)}", *reverse(F32, shape, seq, batch, it))

    def diag(d, shape=(2, 3)):
        return "MATRIX_DIAG", None, [x(shape, d)], x(list(shape) + [shape[-1]], d)

    def set_diag(d, shape=(2, 3, 4)):
        return "MATRIX_SET_DIAG", None, [x(shape, d), x(list(shape[:-2]) + [min(shape[-2:])], d)], x(shape, d)

    # LiteRT takes all types that it does not know for float32, whatever their size.
    known = [F32, S8, U8, S16, S32, S64, U32]
    every(s, "matrix_diag", diag, known)
    every(s, "matrix_set_diag", set_diag, known)
    for k, shape in enumerate([(4,), (1,), (2, 2, 3), (1, 5)]):
        case(s, f"matrix_diag_shape{k}", *diag(F32, shape))
    for k, shape in enumerate([(3, 3), (2, 4), (4, 2), (1, 1), (2, 2, 3, 2)]):
        case(s, f"matrix_set_diag_shape{k}", *set_diag(F32, shape))


def cases(s):
    gathers(s)
    scatters(s)
    rows(s)
