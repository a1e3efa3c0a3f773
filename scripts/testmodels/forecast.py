"""The forecaster: two hours of lane occupancy in, the next hour out, as .onnx with bfloat16 weights.

A GRU beside a linear map of the same window. Trained with Keras, written node by node, so that the file holds exactly what is
meant: every weight a BFLOAT16 initializer behind a Cast to FLOAT, fixed shapes, no tracing artefacts.
"""
import ml_dtypes
import numpy as np
import onnx
import tensorflow as tf
from onnx import TensorProto, helper

from incident import seed_everything
from series import SLOTS

MEAN, STD = 6.0, 4.0        # the demo's [task.normalize]
AHEAD = 12                  # one hour
UNITS = 24


def norm(x):
    """Occupancies as the agent's normalize makes them, in the model's input shape."""
    return ((np.asarray(x, np.float32) - MEAN) / STD).astype(np.float32).reshape(-1, SLOTS, 1)


def targets(series, ends):
    """The next AHEAD readings after each window, NaN where there is none."""
    padded = np.concatenate([series.values, np.full(AHEAD, np.nan)])
    return np.stack([padded[e + 1:e + 1 + AHEAD] for e in ends])


def train(series, epochs, seed):
    """A trained Keras model, from windows whose whole next hour lies before the split."""
    seed_everything(seed)
    ends, x = series.windows()
    keep = ends + AHEAD < series.split
    x, y = norm(x[keep]), ((targets(series, ends[keep]) - MEAN) / STD).astype(np.float32)
    known = ~np.isnan(y)
    y = np.nan_to_num(y)

    k = tf.keras.layers
    inp = tf.keras.Input((SLOTS, 1))
    h = k.GRU(UNITS, unroll=True, reset_after=True, name="gru")(inp)
    out = k.Add()([k.Dense(AHEAD, name="head")(h), k.Dense(AHEAD, use_bias=False, name="linear", kernel_initializer="zeros")(k.Reshape((SLOTS,))(inp))])
    m = tf.keras.Model(inp, out)
    steps = len(x) // 64
    opt = tf.keras.optimizers.Adam(tf.keras.optimizers.schedules.CosineDecay(3e-3, epochs * steps))

    @tf.function
    def step(bx, by, bk):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.abs(m(bx, training=True) - by) * bk) / tf.reduce_sum(bk)
            loss += 1e-3 * tf.add_n([tf.nn.l2_loss(v) for v in m.trainable_variables if len(v.shape) > 1])
        opt.apply_gradients(zip(tape.gradient(loss, m.trainable_variables), m.trainable_variables))

    data = [tf.constant(x), tf.constant(y), tf.constant(known.astype(np.float32))]
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for i in range(steps):
            step(*[tf.gather(a, order[64 * i:64 * i + 64]) for a in data])
    return m


def to_onnx(m):
    """The model as .onnx bytes. Keras and ONNX order the gates alike (z, r, h); reset_after is linear_before_reset."""
    kernel, recurrent, bias = m.get_layer("gru").get_weights()
    head_w, head_b = m.get_layer("head").get_weights()
    (linear,) = m.get_layer("linear").get_weights()
    inits, nodes = [], []

    def weight(name, a):
        b = np.ascontiguousarray(a, np.float32).astype(ml_dtypes.bfloat16)
        inits.append(helper.make_tensor(name + "_bf16", TensorProto.BFLOAT16, b.shape, b.tobytes(), raw=True))
        nodes.append(helper.make_node("Cast", [name + "_bf16"], [name], name=name + "_cast", to=TensorProto.FLOAT))

    weight("W", kernel.T[None])
    weight("R", recurrent.T[None])
    weight("B", bias.reshape(1, -1))
    weight("head_W", head_w)
    weight("head_B", head_b)
    weight("linear_W", linear)
    inits.append(helper.make_tensor("flat", TensorProto.INT64, [2], [1, SLOTS]))
    inits.append(helper.make_tensor("hidden", TensorProto.INT64, [2], [1, UNITS]))
    nodes += [
        helper.make_node("Transpose", ["window"], ["steps"], name="steps", perm=[1, 0, 2]),
        helper.make_node("GRU", ["steps", "W", "R", "B"], ["", "last"], name="gru", hidden_size=UNITS, linear_before_reset=1),
        helper.make_node("Reshape", ["last", "hidden"], ["state"], name="state"),
        helper.make_node("Gemm", ["state", "head_W", "head_B"], ["learned"], name="head"),
        helper.make_node("Reshape", ["window", "flat"], ["row"], name="row"),
        helper.make_node("MatMul", ["row", "linear_W"], ["straight"], name="linear"),
        helper.make_node("Add", ["learned", "straight"], ["next_hour"], name="sum"),
    ]
    graph = helper.make_graph(nodes, "occupancy_next_hour",
                              [helper.make_tensor_value_info("window", TensorProto.FLOAT, [1, SLOTS, 1])],
                              [helper.make_tensor_value_info("next_hour", TensorProto.FLOAT, [1, AHEAD])], inits)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="scripts/testmodels")
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def run(data, x):
    """Outputs of the .onnx under ONNX Runtime, the oracle of its goldens: one row per normalized window."""
    import onnxruntime as ort
    opt = ort.SessionOptions()
    opt.intra_op_num_threads = 1
    s = ort.InferenceSession(data, opt, providers=["CPUExecutionProvider"])
    return np.concatenate([s.run(None, {"window": v[None]})[0] for v in x])
