"""Makes the models of the comparison with other engines: .tflite in float32 and int8, .onnx in float32 and with QuantizeLinear/DequantizeLinear.

Names are NETWORK_f32 and NETWORK_s8 (int8), NETWORK_qdq for the quantized ONNX form. A model that exists is kept, unless --again.
"""
import argparse
import os
import pathlib
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy as np
import onnx

SEED = 1
CALIBRATION = 8     # random samples; with random weights more would not be better


def samples(shape, count):
    rng = np.random.default_rng(3)
    for _ in range(count):
        yield rng.uniform(-1, 1, (1, *shape)).astype(np.float32)


def tflite(function, shape, int8):
    import tensorflow as tf
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    if int8:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([s] for s in samples(shape, CALIBRATION))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def qdq(source, target, shape):
    """Quantizes an ONNX file: int8 activations, int8 weights with one scale per channel."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self, name):
            self.feeds = iter([{name: s} for s in samples(shape, CALIBRATION // 2)])

        def get_next(self):
            return next(self.feeds, None)

    with tempfile.TemporaryDirectory() as folder:
        prepared = str(pathlib.Path(folder) / "prepared.onnx")
        quant_pre_process(str(source), prepared, skip_symbolic_shape=True)
        name = onnx.load(prepared).graph.input[0].name
        quantize_static(prepared, str(target), Reader(name), quant_format=QuantFormat.QDQ, per_channel=True,
                        activation_type=QuantType.QInt8, weight_type=QuantType.QInt8)


def from_keras(out, name, build, float_only, wanted):
    """Writes the forms of one Keras network that are wanted; returns what failed."""
    forms = ["f32.tflite", "f32.onnx"] + ([] if float_only else ["s8.tflite", "qdq.onnx"])
    forms = [f for f in forms if wanted(out / f"{name}_{f}")]
    if not forms:
        return []
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
    tf.keras.utils.set_random_seed(SEED)
    model, shape = build()
    signature = [tf.TensorSpec((1, *shape), tf.float32, name="x")]
    call = tf.function(lambda x: model(x, training=False), input_signature=signature)
    frozen = convert_variables_to_constants_v2(call.get_concrete_function(), lower_control_flow=False)
    failed = []
    for form in forms:
        target = out / f"{name}_{form}"
        try:
            if form.endswith("tflite"):
                target.write_bytes(tflite(frozen, shape, form.startswith("s8")))
            elif form == "f32.onnx":
                import tf2onnx
                tf2onnx.convert.from_graph_def(frozen.graph.as_graph_def(), input_names=["x:0"], output_names=[frozen.outputs[0].name], opset=18,
                                               output_path=str(target))
            else:
                qdq(out / f"{name}_f32.onnx", target, shape)
            print(f"{target.name}: {target.stat().st_size / 1e6:.2f} MB", flush=True)
        except Exception as e:      # one form that a converter cannot make leaves the others; it is reported at the end
            failed.append(f"{target.name}: {type(e).__name__}: {str(e)[:300]}")
            print("failed:", failed[-1], flush=True)
    return failed


def main():
    here = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, default=here / "out")
    parser.add_argument("--again", action="store_true", help="make models anew that exist")
    parser.add_argument("network", nargs="*", help="only these networks, such as mobilenet_v1 or gru64")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    import onnxnets
    failed = []
    known = set()

    def wanted(path):
        return args.again or not path.exists()

    for name, build in onnxnets.NETS.items():
        network = name.rsplit("_", 1)[0]
        known.add(network)
        target = args.out / f"{name}.onnx"
        if (not args.network or network in args.network) and wanted(target):
            onnx.save(build(), target)
            print(f"{target.name}: {target.stat().st_size / 1e6:.2f} MB", flush=True)
    import networks
    for name, build in {**networks.SERIES, **networks.PICTURES}.items():
        known.add(name)
        if not args.network or name in args.network:
            failed += from_keras(args.out, name, build, name in networks.FLOAT_ONLY, wanted)
    if unknown := set(args.network) - known:
        sys.exit(f"there is no network {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    if failed:
        sys.exit("not made:\n  " + "\n  ".join(failed))


if __name__ == "__main__":
    main()
