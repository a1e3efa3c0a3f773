"""Loops, branches, variables, sparse constants. LiteRT's reference resolver runs them; tflite-micro where it can."""
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import flexbuffers

from model import RESOURCE
from suite import ACTS, Graph, Op, T, const

F = np.float32


def scalar(dtype=np.int32):
    return T((), dtype)


def loops(s):
    # i, sum = 0, x; while i < n: sum = sum * 2 - 1; i += 1
    for n in (0, 1, 7):
        for shape in ((1,), (2, 3)):
            ci, cx, lim = scalar(), T(shape, F), const(np.int32(n))
            cond_out = T((), np.bool_)
            cond = Graph([ci, cx], [cond_out], [Op("LESS", None, [ci, lim], [cond_out])])
            bi, bx, ni, t, nx = scalar(), T(shape, F), scalar(), T(shape, F), T(shape, F)
            body = Graph([bi, bx], [ni, nx], [
                Op("ADD", ("AddOptions", {}), [bi, const(np.int32(1))], [ni]),
                Op("MUL", ("MulOptions", {}), [bx, const(F(2))], [t]),
                Op("SUB", ("SubOptions", {}), [t, const(F(1))], [nx])])
            x, oi, ox = T(shape, F), scalar(), T(shape, F)
            start = const(np.int32(0))
            main = Graph([x], [oi, ox], [Op("WHILE", ("WhileOptions", {"condSubgraphIndex": 1, "bodySubgraphIndex": 2}), [start, x], [oi, ox])])
            s.add_model(f"while_{n}_{len(shape)}", [main, cond, body], "WHILE", oracle="litert")
    # the limit is an input: data decides how often the body runs
    ci, cn, cond_out = scalar(), scalar(), T((), np.bool_)
    cond = Graph([ci, cn], [cond_out], [Op("LESS", None, [ci, cn], [cond_out])])
    bi, bn, ni = scalar(), scalar(), scalar()
    body = Graph([bi, bn], [ni, bn], [Op("ADD", ("AddOptions", {}), [bi, const(np.int32(3))], [ni])])
    a, b, oa, ob = scalar(), scalar(), scalar(), scalar()
    main = Graph([a, b], [oa, ob], [Op("WHILE", ("WhileOptions", {"condSubgraphIndex": 1, "bodySubgraphIndex": 2}), [a, b], [oa, ob])])
    s.add_model("while_data", [main, cond, body], "WHILE", oracle="litert", inputs=[[np.int32(0), np.int32(10)], [np.int32(5), np.int32(5)], [np.int32(-100), np.int32(3)]])
    # variables that the body exchanges, and an int8 layer with a constant that goes in as a variable of the loop
    ci, c1, c2, cond_out = scalar(), T((1, 4), np.int8, 0.1, 3), T((1, 4), np.int8, 0.1, 3), T((), np.bool_)
    cond = Graph([ci, c1, c2], [cond_out], [Op("LESS", None, [ci, const(np.int32(5))], [cond_out])])
    bi, b1, b2, ni, nx = scalar(), T((1, 4), np.int8, 0.1, 3), T((1, 4), np.int8, 0.1, 3), scalar(), T((1, 4), np.int8, 0.1, 3)
    w = const(s.rng.integers(-127, 128, size=(4, 4)).astype(np.int8), scale=0.01)
    body = Graph([bi, b1, b2], [ni, b2, nx], [
        Op("ADD", ("AddOptions", {}), [bi, const(np.int32(1))], [ni]),
        Op("FULLY_CONNECTED", ("FullyConnectedOptions", {"fusedActivationFunction": ACTS["none"]}), [b1, w, None], [nx], 4)])
    x, y, oi, ox, oy = T((1, 4), np.int8, 0.1, 3), T((1, 4), np.int8, 0.1, 3), scalar(), T((1, 4), np.int8, 0.1, 3), T((1, 4), np.int8, 0.1, 3)
    main = Graph([x, y], [oi, ox, oy], [Op("WHILE", ("WhileOptions", {"condSubgraphIndex": 1, "bodySubgraphIndex": 2}), [const(np.int32(0)), x, y], [oi, ox, oy])])
    s.add_model("while_exchange", [main, cond, body], "WHILE", samples=3)
    # a list that is written one element a round, as converted recurrent layers do it, under two conditions
    for dtype, q in ((F, {}), (np.int8, dict(scale=0.1, zero=3))):
        def item(n, open=False):
            return T((n, 1, 3), dtype, signature=(-1, 1, 3) if open else None, **q)
        ci, cj, cl, less, more, both = scalar(), scalar(), item(5), T((), np.bool_), T((), np.bool_), T((), np.bool_)
        cond = Graph([ci, cj, cl], [both], [
            Op("LESS", None, [ci, const(np.int32(4))], [less]), Op("LESS", None, [cj, const(np.int32(9))], [more]), Op("LOGICAL_AND", None, [less, more], [both])])
        bi, bj, bl, ni, nj, nl = scalar(), scalar(), item(5), scalar(), scalar(), item(5)
        one, minus, zero = const(np.int32([1])), const(np.int32([-1, -1])), const(np.int32([0, 0]))
        at, begin, size, behind, first, last, new = T((1,), np.int32), T((3,), np.int32), T((3,), np.int32), T((1,), np.int32), item(1, open=True), item(1, open=True), item(1)
        here, double = T((1, 3), dtype, **q), T((1, 3), dtype, **q)
        body = Graph([bi, bj, bl], [ni, nj, nl], [
            Op("ADD", ("AddOptions", {}), [bi, const(np.int32(1))], [ni]), Op("ADD", ("AddOptions", {}), [bj, const(np.int32(1))], [nj]),
            Op("GATHER", ("GatherOptions", {}), [bl, bi], [here]), Op("ADD", ("AddOptions", {}), [here, here], [double], 2),
            Op("RESHAPE", ("ReshapeOptions", {}), [double, const(np.int32([1, 1, 3]))], [new]),
            Op("RESHAPE", ("ReshapeOptions", {}), [bj, one], [at]), Op("CONCATENATION", ("ConcatenationOptions", {}), [at, minus], [size]),
            Op("SLICE", None, [bl, const(np.int32([0, 0, 0])), size], [first]),
            Op("RESHAPE", ("ReshapeOptions", {}), [nj, one], [behind]), Op("CONCATENATION", ("ConcatenationOptions", {}), [behind, zero], [begin]),
            Op("SLICE", None, [bl, begin, const(np.int32([-1, -1, -1]))], [last]),
            Op("CONCATENATION", ("ConcatenationOptions", {}), [first, new, last], [nl])])
        x, oi, oj, ol = item(5), scalar(), scalar(), item(5)
        start = const(np.int32(0))
        main = Graph([x], [oi, oj, ol], [Op("WHILE", ("WhileOptions", {"condSubgraphIndex": 1, "bodySubgraphIndex": 2}), [start, const(np.int32(1)), x], [oi, oj, ol])])
        s.add_model(f"while_list_{np.dtype(dtype)}", [main, cond, body], "WHILE", samples=2, oracle="litert")
    # a loop in a loop
    inner_cond_in, inner_cond_out = [scalar(), scalar()], T((), np.bool_)
    inner_cond = Graph(inner_cond_in, [inner_cond_out], [Op("LESS", None, [inner_cond_in[0], const(np.int32(3))], [inner_cond_out])])
    j, acc, nj, nacc = scalar(), scalar(), scalar(), scalar()
    inner_body = Graph([j, acc], [nj, nacc], [Op("ADD", ("AddOptions", {}), [j, const(np.int32(1))], [nj]), Op("ADD", ("AddOptions", {}), [acc, j], [nacc])])
    outer_in, outer_cond_out = [scalar(), scalar()], T((), np.bool_)
    outer_cond = Graph(outer_in, [outer_cond_out], [Op("LESS", None, [outer_in[0], const(np.int32(4))], [outer_cond_out])])
    oi, oacc, ni, unused, nacc = scalar(), scalar(), scalar(), scalar(), scalar()
    outer_body = Graph([oi, oacc], [ni, nacc], [
        Op("WHILE", ("WhileOptions", {"condSubgraphIndex": 3, "bodySubgraphIndex": 4}), [const(np.int32(0)), oacc], [unused, nacc]),
        Op("ADD", ("AddOptions", {}), [oi, const(np.int32(1))], [ni])])
    x, a, b = scalar(), scalar(), scalar()
    main = Graph([x], [a, b], [Op("WHILE", ("WhileOptions", {"condSubgraphIndex": 1, "bodySubgraphIndex": 2}), [const(np.int32(0)), x], [a, b])])
    s.add_model("while_nested", [main, outer_cond, outer_body, inner_cond, inner_body], "WHILE", oracle="litert", inputs=[[np.int32(0)], [np.int32(77)]])


def branches(s):
    for dtype, q in ((F, {}), (np.int8, dict(scale=0.05, zero=-3)), (np.uint8, dict(scale=0.05, zero=120))):
        c, x, y = T((1,), np.bool_), T((2, 3), dtype, **q), T((2, 3), dtype, **q)
        tx, ty = T((2, 3), dtype, **q), T((2, 3), dtype, **q)
        ex, ey = T((2, 3), dtype, **q), T((2, 3), dtype, **q)
        then = Graph([tx], [ty], [Op("ADD", ("AddOptions", {}), [tx, tx], [ty], 2)])
        other = Graph([ex], [ey], [Op("MUL", ("MulOptions", {}), [ex, ex], [ey], 2)])
        main = Graph([c, x], [y], [Op("IF", ("IfOptions", {"thenSubgraphIndex": 1, "elseSubgraphIndex": 2}), [c, x], [y])])
        x0 = s.sample(x)
        s.add_model(f"if_{np.dtype(dtype)}", [main, then, other], "IF", oracle="litert", inputs=[[np.array([True]), x0], [np.array([False]), x0]])
    # both branches hand an input on as it is
    c, x, z, y = T((1,), np.bool_), T((2,), F), T((2,), F), T((2,), F)
    ta, tb, ea, eb = T((2,), F), T((2,), F), T((2,), F), T((2,), F)
    main = Graph([c, x, z], [y], [Op("IF", ("IfOptions", {"thenSubgraphIndex": 1, "elseSubgraphIndex": 2}), [c, x, z], [y])])
    s.add_model("if_choose", [main, Graph([ta, tb], [ta], []), Graph([ea, eb], [eb], [])], "IF", oracle="litert",
                inputs=[[np.array([True]), F([1, 2]), F([3, 4])], [np.array([False]), F([1, 2]), F([3, 4])]])


def variables(s):
    def handle(name):
        return T((1,), np.int32, code=RESOURCE), ("VarHandleOptions", {"container": "", "sharedName": name})

    for name, dtype, q in (("s8", np.int8, dict(scale=0.1, zero=3)), ("f32", F, {})):
        # the state of a delay line: read, join, take the last part, assign
        h, ho = handle("line")
        x, old, joined, new = T((1, 2, 3), dtype, **q), T((1, 4, 3), dtype, **q), T((1, 6, 3), dtype, **q), T((1, 4, 3), dtype, **q)
        one = Op("CALL_ONCE", ("CallOnceOptions", {"initSubgraphIndex": 1}), [], [])
        main = Graph([x], [joined], [
            one, Op("VAR_HANDLE", ho, [], [h]), Op("READ_VARIABLE", None, [h], [old]),
            Op("CONCATENATION", ("ConcatenationOptions", {"axis": 1}), [old, x], [joined]),
            Op("STRIDED_SLICE", ("StridedSliceOptions", {}), [joined, const(np.int32([0, 2, 0])), const(np.int32([1, 6, 3])), const(np.int32([1, 1, 1]))], [new]),
            Op("ASSIGN_VARIABLE", None, [h, new], [])])
        h2, ho2 = handle("line")
        start = const(s.rng.integers(-9, 9, size=(1, 4, 3)).astype(dtype), **q)
        init = Graph([], [], [Op("VAR_HANDLE", ho2, [], [h2]), Op("ASSIGN_VARIABLE", None, [h2, start], [])])
        s.add_model(f"variable_{name}", [main, init], "ASSIGN_VARIABLE", samples=4, oracle="tflm" if name == "s8" else "litert")
    # what is read before an assignment does not change with it; two variables
    h, ho = handle("a")
    g, go = handle("b")
    x, a, b, total, bb = T((3,), F), T((3,), F), T((3,), F), T((3,), F), T((3,), F)
    main = Graph([x], [total, b], [
        Op("CALL_ONCE", ("CallOnceOptions", {"initSubgraphIndex": 1}), [], []),
        Op("VAR_HANDLE", ho, [], [h]), Op("VAR_HANDLE", go, [], [g]), Op("READ_VARIABLE", None, [h], [a]), Op("READ_VARIABLE", None, [g], [b]),
        Op("ASSIGN_VARIABLE", None, [h, b], []), Op("ADD", ("AddOptions", {}), [a, x], [total]), Op("ADD", ("AddOptions", {}), [b, x], [bb]),
        Op("ASSIGN_VARIABLE", None, [g, bb], [])])
    h2, ho2 = handle("a")
    g2, go2 = handle("b")
    init = Graph([], [], [Op("VAR_HANDLE", ho2, [], [h2]), Op("VAR_HANDLE", go2, [], [g2]), Op("ASSIGN_VARIABLE", None, [h2, const(F([1, 2, 3]))], []),
                          Op("ASSIGN_VARIABLE", None, [g2, const(F([10, 20, 30]))], [])])
    s.add_model("variable_order", [main, init], "READ_VARIABLE", samples=4, oracle="litert")
    # counted for the other operators that every case above has
    s.add_model("variable_handle", [main, init], "VAR_HANDLE", samples=3, oracle="litert")
    s.add_model("variable_call_once", [main, init], "CALL_ONCE", samples=3, oracle="litert")


def sparsity(dense, order, block_map, dims):
    """Schema parameters; dims: an int for a dense axis, (segments, indices) for a compressed one."""
    p = schema.SparsityParametersT()
    p.traversalOrder, p.blockMap, p.dimMetadata = order, block_map, []
    for d in dims:
        m = schema.DimensionMetadataT()
        if isinstance(d, int):
            m.format, m.denseSize = schema.DimensionType.DENSE, d
        else:
            m.format = schema.DimensionType.SPARSE_CSR
            m.arraySegmentsType = m.arrayIndicesType = schema.SparseIndexVector.Int32Vector
            m.arraySegments, m.arrayIndices = schema.Int32VectorT(), schema.Int32VectorT()
            m.arraySegments.values, m.arrayIndices.values = d
        p.dimMetadata.append(m)
    return p


def csr(a):
    """A matrix compressed along its second axis."""
    segments, indices, values = [0], [], []
    for row in a:
        for j, v in enumerate(row):
            if v:
                indices.append(j)
                values.append(v)
        segments.append(len(indices))
    return segments, indices, values


def sparse(s):
    w = s.rng.integers(-63, 64, size=(6, 8)) * (s.rng.integers(0, 3, size=(6, 8)) == 0)
    w[2] = 0
    for name, dtype in (("f32", F), ("f16", np.float16)):
        a = (w / 64).astype(dtype)
        seg, idx, val = csr(a)
        stored = const(np.array(val, dtype))
        stored.shape = a.shape
        dense, x, y = T(a.shape, dtype), T((2, 8), F), T((2, 6), F)
        ops = [Op("DENSIFY", None, [stored], [dense])]
        weights = dense
        if dtype == np.float16:
            weights = T(a.shape, F)
            ops.append(Op("DEQUANTIZE", None, [dense], [weights], 3))
        ops.append(Op("FULLY_CONNECTED", ("FullyConnectedOptions", {}), [x, weights, None], [y]))

        def edit(m, p=sparsity(a, [0, 1], [], [6, (seg, idx)])):
            for t in m.subgraphs[0].tensors:
                if t.buffer:
                    t.sparsity = p

        s.add_model(f"densify_{name}", [Graph([x], [y], ops)], "DENSIFY", oracle="litert", edit=edit)
    # blocks of 2 x 4
    a = np.zeros((6, 8), F)
    blocks = {(0, 1), (1, 0), (2, 0), (2, 1)}
    vals, seg, idx = [], [0], []
    for i in range(3):
        for j in range(2):
            if (i, j) in blocks:
                b = (s.rng.integers(1, 64, size=(2, 4)) / 64).astype(F)
                a[2 * i:2 * i + 2, 4 * j:4 * j + 4] = b
                vals.append(b)
                idx.append(j)
        seg.append(len(idx))
    stored = const(np.concatenate(vals).astype(F))
    stored.shape = a.shape
    dense, x, y = T(a.shape, F), T((2, 8), F), T((2, 6), F)

    def edit(m, p=sparsity(a, [0, 1, 2, 3], [0, 1], [3, (seg, idx), 2, 4])):
        for t in m.subgraphs[0].tensors:
            if t.buffer:
                t.sparsity = p

    s.add_model("densify_blocks", [Graph([x], [y], [Op("DENSIFY", None, [stored], [dense]), Op("FULLY_CONNECTED", ("FullyConnectedOptions", {}), [x, dense, None], [y])])],
                "DENSIFY", oracle="litert", edit=edit)


def composites(s):
    """A composite runs the decomposition that the file has."""
    x, y, z, a, b, t, c = [T((2, 3), F) for _ in range(7)]
    body = Graph([a, b], [c], [Op("MUL", ("MulOptions", {}), [a, b], [t]), Op("ADD", ("AddOptions", {}), [t, a], [c])])
    main = Graph([x, y], [z], [Op("STABLEHLO_COMPOSITE", None, [x, y], [z])])

    def edit(m):
        o = schema.StableHLOCompositeOptionsT()
        o.name, o.decompositionSubgraphIndex = "example.scale", 1
        o.compositeAttributes = np.frombuffer(flexbuffers.Dumps({}), np.uint8)
        op = m.subgraphs[0].operators[0]
        op.builtinOptions2Type, op.builtinOptions2 = schema.BuiltinOptions2.StableHLOCompositeOptions, o

    v = np.arange(6, dtype=np.float32).reshape(2, 3)
    s.add_model("composite_f32", [main, body], "STABLEHLO_COMPOSITE", oracle="builtin", edit=edit, inputs=[[v - 3, v * 2], [v, -v]])


def cases(s):
    loops(s)
    branches(s)
    variables(s)
    composites(s)
    s.ulp, s.of_max = 4, True
    sparse(s)
