"""The incident models: a window of speeds in, an incident score and the next speed out, as int8 .tflite."""
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"     # one arithmetic for all CPUs, as far as TensorFlow offers it
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy as np
import tensorflow as tf

import simulate
from series import SLOTS, STEP

MEAN, STD = 60.0, 15.0      # the demo's [task.normalize]; fixed, so that releases of different age fit one configuration


def seed_everything(seed):
    """Same seed, same weights on the same CPU."""
    tf.keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.threading.set_intra_op_parallelism_threads(1)


def network(size, batch=None):
    """size "small" or "residual". Convolutions along time are two-dimensional with height 1."""
    k = tf.keras.layers
    inp = tf.keras.Input(batch_shape=(batch, 1, SLOTS, 1), name="window")
    if size == "small":
        x = k.Conv2D(8, (1, 5), strides=(1, 2), padding="same", activation="relu")(inp)
        x = k.Conv2D(8, (1, 3), strides=(1, 2), padding="same", activation="relu")(x)
        x = k.Reshape((6 * 8,))(x)
        x = k.Dense(12, activation="relu")(x)
    else:
        x = k.Conv2D(16, (1, 5), padding="same", activation="relu")(inp)
        y = k.DepthwiseConv2D((1, 5), padding="same", activation="relu")(x)
        y = k.Conv2D(16, (1, 1), activation=None)(y)
        x = k.Activation("relu")(k.Add()([x, y]))
        x = k.AveragePooling2D((1, 2))(x)
        x = k.Conv2D(24, (1, 3), strides=(1, 2), padding="same", activation="relu")(x)
        x = k.Reshape((6 * 24,))(x)
        x = k.Dense(32, activation="relu")(x)
    score = k.Dense(1, activation="sigmoid", name="score")(x)
    forecast = k.Dense(1, name="forecast")(x)
    if size != "small":  # a linear forecast beside the learned one: the last readings carry most of what is known
        forecast = k.Add()([forecast, k.Dense(1, name="linear")(k.Reshape((SLOTS,))(inp))])
    return tf.keras.Model(inp, [score, forecast])


def training_set(series, windows, until, real_weight, simulated, seed, low=52.0):
    """Windows that end before slot until, with targets and weights for both outputs.

    A real window counts as an incident when it ends inside a labelled window at a speed below low: the labels reach an hour
    beyond the slow traffic on both sides, and ordinary traffic before it can teach nothing.
    """
    ends, x = series.windows()
    keep = ends + 1 < until
    ends, x = ends[keep], x[keep]
    inside = np.array([any(a <= e <= b for a, b in windows) for e in ends])
    y = (inside & (x[:, -1] < low)).astype(np.float32)
    w = np.where(y > 0, real_weight, 1.0)
    w[inside & (y == 0)] = 0.0
    nxt = series.values[ends + 1]
    fw = (~np.isnan(nxt)).astype(np.float32)
    f = np.nan_to_num(nxt)
    if simulated:
        rng = np.random.default_rng(seed)
        whole = ~inside & (fw > 0)
        sx, sy = simulate.paint(rng, np.concatenate([x, f[:, None]], 1)[whole], simulated)
        x, y = np.concatenate([x, sx[:, :-1]]), np.concatenate([y, sy])
        w = np.concatenate([w, np.ones(len(sx))])
        f, fw = np.concatenate([f, sx[:, -1]]), np.concatenate([fw, np.ones(len(sx))])
    return norm(x), y, w, (f - MEAN) / STD, fw


def norm(x):
    """Speeds as the agent's normalize makes them, in the model's input shape."""
    return ((np.asarray(x, np.float32) - MEAN) / STD).astype(np.float32).reshape(-1, 1, SLOTS, 1)


def train(size, data, epochs, seed):
    """A trained Keras model; data as training_set gives it."""
    seed_everything(seed)
    x, y, w, f, fw = (np.asarray(a, np.float32) for a in data)
    m = network(size)
    opt = tf.keras.optimizers.Adam(tf.keras.optimizers.schedules.CosineDecay(3e-3, epochs * (len(x) // 64 + 1)))
    rng = np.random.default_rng(seed)

    @tf.function
    def step(bx, by, bw, bf, bfw):
        with tf.GradientTape() as tape:
            s, p = m(bx, training=True)
            s, p = s[:, 0], p[:, 0]
            s = tf.clip_by_value(s, 1e-6, 1 - 1e-6)
            bce = -(by * tf.math.log(s) + (1 - by) * tf.math.log(1 - s))
            loss = tf.reduce_sum(bce * bw) / (tf.reduce_sum(bw) + 1e-6)
            e = tf.abs(p - bf)
            huber = tf.where(e < 0.1, 5 * e * e, e - 0.05)   # nearly absolute: that is what is measured
            loss += tf.reduce_sum(huber * bfw) / (tf.reduce_sum(bfw) + 1e-6)
            loss += 1e-4 * tf.add_n([tf.nn.l2_loss(v) for v in m.trainable_variables if len(v.shape) > 1])
        grads = tape.gradient(loss, m.trainable_variables)
        opt.apply_gradients(zip(grads, m.trainable_variables))
        return loss

    data = [tf.constant(a) for a in (x, y, w, f, fw)]
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for i in range(0, len(order) - 63, 64):
            step(*[tf.gather(a, order[i:i + 64]) for a in data])
    return m


def to_int8(m, size, calibration):
    """The model as int8 .tflite bytes; calibration are normalized windows."""
    fixed = network(size, batch=1)
    fixed.set_weights(m.get_weights())
    fn = tf.function(lambda window: tuple(fixed(window, training=False)))
    conc = fn.get_concrete_function(tf.TensorSpec((1, 1, SLOTS, 1), tf.float32, name="window"))
    c = tf.lite.TFLiteConverter.from_concrete_functions([conc])
    c.optimizations = [tf.lite.Optimize.DEFAULT]
    c.representative_dataset = lambda: ([v[None]] for v in calibration)
    c.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    c.inference_input_type = tf.int8
    c.inference_output_type = tf.int8
    c._experimental_disable_per_channel_quantization_for_dense_layers = True
    return c.convert()


class Int8:
    """An int8 .tflite under TensorFlow Lite Micro's reference kernels, the oracle of its goldens."""

    def __init__(self, data):
        from tflite_micro.python.tflite_micro import runtime
        self.it = runtime.Interpreter.from_bytes(bytes(data), arena_size=1_000_000)
        d = self.it.get_input_details(0)
        self.scale, self.zero = float(d["quantization_parameters"]["scales"][0]), int(d["quantization_parameters"]["zero_points"][0])
        self.out = []
        for i in (0, 1):
            q = self.it.get_output_details(i)["quantization_parameters"]
            self.out.append((float(q["scales"][0]), int(q["zero_points"][0])))

    def quantize(self, x):
        """Real windows as the model's int8 input."""
        return np.clip(np.rint(np.asarray(x, np.float32) / np.float32(self.scale)) + self.zero, -128, 127).astype(np.int8)

    def raw(self, q):
        """int8 outputs (score, forecast), one row per window, each from a fresh start."""
        a, b = [], []
        for v in q:
            self.it.set_input(v.reshape(1, 1, SLOTS, 1), 0)
            self.it.invoke()
            a.append(self.it.get_output(0).copy())
            b.append(self.it.get_output(1).copy())
        return np.stack(a), np.stack(b)

    def run(self, x):
        """Scores and forecast speeds of normalized windows."""
        a, b = self.raw(self.quantize(x))
        (sa, za), (sb, zb) = self.out
        return (a.reshape(len(a)).astype(np.float64) - za) * sa, ((b.reshape(len(b)).astype(np.float64) - zb) * sb) * STD + MEAN
