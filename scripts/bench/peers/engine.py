"""Runs one engine on one model in this process and prints one JSON line: engine.py ENGINE MODEL THREADS SECONDS. With 0 seconds it ends after the first run."""
import json
import os
import sys
import time

import noamx

noamx.refuse()
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["ONEDNN_MAX_CPU_ISA"] = "AVX512_CORE_FP16"   # for oneDNN, which looks at CPUID alone

import numpy as np


def random(shape, dtype):
    """The input that `wayside bench` makes too: floats in −1..1, small integers in their whole range, others zero. Open extents are 1."""
    shape = [d if isinstance(d, int) and d > 0 else 1 for d in shape]
    dtype, rng = np.dtype(dtype), np.random.default_rng(1)
    if dtype.kind == "f":
        return rng.uniform(-1, 1, shape).astype(dtype)
    if dtype.itemsize <= 2 and dtype.kind in "iu":
        i = np.iinfo(dtype)
        return rng.integers(i.min, i.max + 1, shape).astype(dtype)
    return np.zeros(shape, dtype)


def xnnpack(model, threads):
    from ai_edge_litert.interpreter import Interpreter  # its default resolver brings the XNNPACK delegate

    def load():
        it = Interpreter(model_path=model, num_threads=threads)
        it.allocate_tensors()
        for d in it.get_input_details():
            it.set_tensor(d["index"], random([int(n) for n in d["shape"]], d["dtype"]))
        return it.invoke
    return load, "ai-edge-litert"


def onnxruntime(model, threads):
    import onnxruntime as ort

    def load():
        options = ort.SessionOptions()
        options.log_severity_level, options.intra_op_num_threads, options.inter_op_num_threads = 3, threads, 1
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        binding = session.io_binding()          # no copies of inputs and outputs are measured
        types = {"float": "f4", "double": "f8", "float16": "f2", "int64": "i8", "int32": "i4", "int16": "i2", "int8": "i1", "uint8": "u1", "bool": "?"}
        for i in session.get_inputs():
            binding.bind_ortvalue_input(i.name, ort.OrtValue.ortvalue_from_numpy(random(i.shape, types[i.type[len("tensor("):-1]])))
        for o in session.get_outputs():
            binding.bind_output(o.name)
        return lambda: session.run_with_iobinding(binding)
    return load, "onnxruntime"


def openvino(model, threads):
    import openvino as ov

    def load():
        core = ov.Core()
        net = core.read_model(model)
        if any(p.partial_shape.is_dynamic for p in net.inputs):
            net.reshape({i: [d.get_length() if d.is_static else 1 for d in p.partial_shape] for i, p in enumerate(net.inputs)})
        compiled = core.compile_model(net, "CPU", {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1,
                                                   "INFERENCE_PRECISION_HINT": "f32"})
        request = compiled.create_infer_request()
        for i, p in enumerate(compiled.inputs):
            request.set_input_tensor(i, ov.Tensor(random(list(p.shape), p.element_type.to_dtype())))
        return request.infer
    return load, "openvino"


ENGINES = {"xnnpack": xnnpack, "onnxruntime": onnxruntime, "openvino": openvino}


def resident():
    """KiB of this process in RAM, as `wayside bench` counts them."""
    with open("/proc/self/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def main():
    name, model, threads, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    before = resident()
    load, package = ENGINES[name](model, threads)
    start = time.perf_counter()
    run = load()
    loaded = time.perf_counter()
    run()
    first = time.perf_counter()
    result = {"engine": name, "load_ms": (loaded - start) * 1e3, "first_ms": (first - loaded) * 1e3, "rss_kib": resident(), "rss_before_kib": before}
    if seconds > 0:
        for _ in range(3):
            run()
        times, end = [], time.perf_counter() + seconds
        while (begin := time.perf_counter()) < end or not times:
            run()
            times.append(time.perf_counter() - begin)
        times.sort()
        result |= {"median_us": times[len(times) // 2] * 1e6, "best_us": times[0] * 1e6, "p99_us": times[int(len(times) * 0.99)] * 1e6, "runs": len(times)}
    print(json.dumps(result), flush=True)
    if seconds > 0:
        import importlib.metadata
        print(json.dumps({"package": package, "version": importlib.metadata.version(package)}))


if __name__ == "__main__":
    main()
