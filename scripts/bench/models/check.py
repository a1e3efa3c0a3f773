"""Compares this repository's results on the models of make.py with the oracle's: tflite-micro's reference kernels for integer .tflite, LiteRT's
reference kernels where that lacks an operator or for float32, ONNX Runtime without optimizations for .onnx.

Integers must be equal; floats are compared by the largest difference, relative to the largest value. Each model runs on several inputs in a row, in one session, as a
gateway would. Exit code 1 if one does not load or differs.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

RUNS = 3
STEPS = 3           # quanta that an int8 model may differ from LiteRT's, if tflite-micro cannot run it
TOLERANCE = 2e-4    # of the largest output: sums of thousands of terms in another order, through dozens of layers


def litert(path, resolver="BUILTIN_REF", title="LiteRT reference"):
    """LiteRT's reference kernels; returns a function of one input array, its shape and dtype, and the oracle's name."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType
    it = Interpreter(model_path=str(path), experimental_op_resolver_type=OpResolverType[resolver])
    it.allocate_tensors()
    source, target = it.get_input_details()[0], it.get_output_details()

    def run(x):
        it.set_tensor(source["index"], x)
        it.invoke()
        return [it.get_tensor(t["index"]) for t in target]
    return run, tuple(source["shape"]), source["dtype"], title


def builtin(path):
    """LiteRT's optimized kernels without a delegate, for models that both references abort on."""
    return litert(path, "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "LiteRT built-in")


def micro(path):
    """tflite-micro's reference kernels. Raises where it refuses the model."""
    from tflite_micro.python.tflite_micro import runtime
    it = runtime.Interpreter.from_file(str(path), arena_size=64 << 20)
    source = it.get_input_details(0)

    def run(x):
        it.set_input(x, 0)
        it.invoke()
        return [it.get_output(0)]
    return run, tuple(source["shape"]), source["dtype"], "tflite-micro"


def onnxruntime(path):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    source = session.get_inputs()[0]
    return lambda x: session.run(None, {source.name: x}), tuple(source.shape), np.float32, "ONNX Runtime"


def oracles(path):
    """The oracles in their order; the first that can run the model decides."""
    if path.suffix == ".onnx":
        return [onnxruntime]
    return [micro, litert, builtin] if "_s8" in path.name else [litert]


def run_oracle(name, path, folder):
    """What a child process does: the first argument names the oracle. It writes the inputs and outputs; an oracle may abort its process."""
    run, shape, dtype, title = {"micro": micro, "litert": litert, "builtin": builtin, "onnxruntime": onnxruntime}[name](path)
    rng = np.random.default_rng(7)
    if np.dtype(dtype).kind == "f":
        x = rng.uniform(-1, 1, (RUNS, *shape)).astype(np.float32)
    else:
        x = rng.integers(-128, 128, (RUNS, *shape)).astype(dtype)
    outputs = [run(x[i]) for i in range(RUNS)]
    np.save(folder / "x.npy", x)
    np.savez(folder / "want.npz", **{str(j): np.stack([o[j].copy() for o in outputs]) for j in range(len(outputs[0]))})
    print(title)


def ask_oracle(path, folder):
    """Runs the first oracle that can; returns its name."""
    for o in oracles(path):
        done = subprocess.run([sys.executable, __file__, "--oracle", o.__name__, "--folder", str(folder), str(path)], capture_output=True, text=True)
        if done.returncode == 0:
            return done.stdout.strip().splitlines()[-1]
    raise SystemExit(f"{path}: no oracle runs it: {done.stderr.strip()[-300:]}")


def check(wayside, path, folder):
    """Returns what to say about one model, and whether it is well."""
    done = subprocess.run([wayside, "inspect", str(path), "--json"], capture_output=True, text=True)
    if done.returncode:
        nodes = json.loads(done.stdout).get("unsupported", [])
        count = {}
        for node in nodes:
            key = f"{node['op']} {node['dtype']}".strip()
            count[key] = count.get(key, 0) + 1
        return "does not load: " + ", ".join(f"{n} {k}" for k, n in sorted(count.items())), False
    name = ask_oracle(path, folder)
    out = folder / "y.npz"
    done = subprocess.run([wayside, "infer", str(path), "--in", str(folder / "x.npy"), "--rows", "--out", str(out)], capture_output=True, text=True)
    if done.returncode:
        return "does not run: " + done.stderr.strip(), False
    ours, wanted = np.load(out), np.load(folder / "want.npz")
    worst, steps, unequal, total = 0.0, 0, 0, 0
    for key in wanted.files:
        want = wanted[key]
        got = ours[key].reshape(want.shape)
        total += want.size
        unequal += int(np.sum(got != want))
        difference = float(np.max(np.abs(got.astype(np.float64) - want)))
        if want.dtype.kind == "f":
            worst = max(worst, difference / max(float(np.max(np.abs(want))), 1e-30))
        else:
            steps = max(steps, int(difference))
    if not unequal:
        return f"equal to {name}: {total} values", True
    if worst:
        return f"{'close to' if worst <= TOLERANCE else 'DIFFERS from'} {name}: {worst:.1e} of the largest value", worst <= TOLERANCE
    # LiteRT's dense layers round once, tflite-micro's and ours twice: where only LiteRT runs a whole model, its results are a hint.
    good = name.startswith("LiteRT") and steps <= STEPS
    return f"{'near' if good else 'DIFFERS from'} {name}: {unequal} of {total} values, by at most {steps}", good


def main():
    here = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wayside", default=str(here.parents[2] / "bin" / "wayside"))
    parser.add_argument("--oracle", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("model", nargs="*", type=pathlib.Path, help="default: all of scripts/bench/models/out")
    args = parser.parse_args()
    if args.oracle:
        return run_oracle(args.oracle, args.model[0], args.folder)
    well = True
    with tempfile.TemporaryDirectory() as folder:
        for path in args.model or sorted(p for p in (here / "out").iterdir() if p.suffix in (".tflite", ".onnx")):
            text, good = check(args.wayside, path, pathlib.Path(folder))
            well = well and good
            print(f"{path.name:32} {text}", flush=True)
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
