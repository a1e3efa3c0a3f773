"""Runs models through the oracles and writes what they give as golden cases."""
import base64
import gzip
import json
import os
import pathlib
import pickle
import re
import signal
import sys
import tempfile
import zlib

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tflite_micro.python.tflite_micro import runtime

from model import Graph, Op, T, build, const  # noqa: F401 (families import them from here)

ROOT = pathlib.Path(__file__).resolve().parents[3]
ACTS = {"none": 0, "relu": 1, "relu_n1_to_1": 2, "relu6": 3}
SAME, VALID = 0, 1


def tflm(data, runs):
    """tflite-micro's reference kernels. Inputs and outputs keep the model's dtypes; one interpreter serves all runs, so state goes on."""
    it = runtime.Interpreter.from_bytes(data, arena_size=8_000_000)
    out = []
    for inputs in runs:
        for i, a in enumerate(inputs):
            it.set_input(a, i)
        it.invoke()
        got = []
        while True:
            try:
                got.append(np.array(it.get_output(len(got))))
            except Exception:
                break
        out.append(got)
    return out


def litert(data, runs, resolver=OpResolverType.BUILTIN_REF):
    """ai-edge-litert's reference resolver."""
    it = Interpreter(model_content=data, experimental_op_resolver_type=resolver, num_threads=1)
    for i, a in zip(it.get_input_details(), runs[0]):
        if list(i["shape"]) != list(a.shape):
            it.resize_tensor_input(i["index"], a.shape)
    it.allocate_tensors()
    out = []
    for inputs in runs:
        for i, a in zip(it.get_input_details(), inputs):
            it.set_tensor(i["index"], a)
        it.invoke()
        out.append([it.get_tensor(o["index"]) for o in it.get_output_details()])
    return out


def builtin(data, runs):
    """ai-edge-litert's built-in kernels without delegates, for what its reference resolver lacks."""
    return litert(data, runs, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)


ORACLES = {"tflm": tflm, "litert": litert, "builtin": builtin}


def run(oracle, data, runs, seconds=60):
    """The outputs of every run, computed in a process of its own, because a failed invoke can take the process down; None if refused."""
    with tempfile.NamedTemporaryFile() as f:
        pid = os.fork()
        if pid == 0:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            if not os.environ.get("ORACLE_STDERR"):  # set it to see why an oracle refuses a model
                os.dup2(null, 2)
            signal.alarm(seconds)
            try:
                with open(f.name, "wb") as o:
                    pickle.dump(ORACLES[oracle](data, runs), o)
                os._exit(0)
            except BaseException as e:
                print(e, file=sys.stderr)
                os._exit(1)
        if os.waitpid(pid, 0)[1] != 0:
            return None
        return pickle.load(f)


def pack(a):
    a = np.asarray(a)
    return {"dtype": str(a.dtype), "shape": list(a.shape), "data": base64.b64encode(a.tobytes()).decode()}


class Suite:
    """The cases of one family. rng is seeded with the family's name, so that families do not disturb each other.

    ulp bounds the distance of float outputs of the cases to come, in units in the last place: of each value, or with of_max of the
    largest value of that output. Integers must always be equal.
    """

    ulp, of_max = 0, False

    def __init__(self, family):
        self.family, self.cases, self.rng = family, [], np.random.default_rng(zlib.crc32(family.encode()))

    def sample(self, t, edge=False):
        """A random value for an input: multiples of 1/512 in -8..8 for floats, the full range for integers; edge puts extremes first."""
        if t.dtype == np.bool_:
            return self.rng.integers(0, 2, size=t.shape).astype(np.bool_)
        if t.dtype.kind == "f":
            a = (self.rng.integers(-4096, 4096, size=t.shape) / 512).astype(t.dtype)
            if edge and a.size > 4:
                a.flat[:5] = [0, -0.0, 1e-30, 7.99, -7.99]
            return a
        i = np.iinfo(t.dtype)
        a = self.rng.integers(i.min, i.max, size=t.shape, dtype=t.dtype, endpoint=True)
        if edge and a.size > 2:
            a.flat[:3] = [i.min, i.max, 0]
        return a

    def add(self, name, op, options, ins, outs, version=1, samples=2, custom=None, **kw):
        """A case with one operator. ins: T, const or None; every T without data is a model input unless it is a variable."""
        outs = [outs] if isinstance(outs, T) else outs
        live = [t for t in ins if t is not None and t.data is None and not t.variable]
        self.add_model(name, [Graph(live, outs, [Op(op, options, ins, outs, version, custom)])], samples=samples, op=op or "CUSTOM:" + custom[0], **kw)

    def add_model(self, name, graphs, op, samples=2, inputs=None, oracle="tflm", edit=None, twin=None):
        """A case with any model. op names the operator that it counts for in docs/operators.md.

        inputs: a list of runs, each a list of arrays; sampled when absent. One session serves all runs of a case, so state goes on
        from one to the next. oracle: tflm, litert or builtin. twin: another model with the same meaning, which the oracle runs instead
        where it is wrong about this one.
        """
        data = build(graphs, edit)
        runs = inputs or [[self.sample(t, edge=s == 0) for t in graphs[0].inputs] for s in range(samples)]
        got = run(oracle, build(twin) if twin else data, runs)
        if got is None:
            raise SystemExit(f"{name}: {oracle} refuses the model")
        self.cases.append({"name": name, "op": op, "oracle": oracle, "ulp": self.ulp, "of_max": self.of_max, "model": base64.b64encode(data).decode(),
                           "runs": [{"in": [pack(a) for a in i], "out": [pack(a) for a in o]} for i, o in zip(runs, got, strict=True)]})

    def refused(self, name, oracle, op, options, ins, outs, version=1, custom=None):
        """Whether an oracle refuses a one-operator model: to find out which oracle a family needs. Adds no case."""
        outs = [outs] if isinstance(outs, T) else outs
        live = [t for t in ins if t is not None and t.data is None and not t.variable]
        data = build([Graph(live, outs, [Op(op, options, ins, outs, version, custom)])])
        return run(oracle, data, [[self.sample(t) for t in live]]) is None

    def write(self):
        names = [c["name"] for c in self.cases]
        twice = {n for n in names if names.count(n) > 1}
        if twice or not all(re.fullmatch(r"[\w.\-]+", n) for n in names):
            raise SystemExit(f"{self.family}: names twice or odd: {twice}")
        path = ROOT / f"graph/graphtest/testdata/tflite/{self.family}.json.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        body = "".join(json.dumps(c, separators=(",", ":")) + "\n" for c in self.cases)
        with path.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as z:
            z.write(body.encode())
        print(f"{self.family}: {len(self.cases)} cases, {path.stat().st_size} bytes")


def span(n, k, stride, dil, pad):
    """The output extent of a window along one axis."""
    return -(-n // stride) if pad == SAME else (n - (k - 1) * dil - 1) // stride + 1


def quantized_bits(rng, *shape):
    """Float values that compress well: multiples of 1/64 in -1..1."""
    return (rng.integers(-64, 65, size=shape) / 64).astype(np.float32)
