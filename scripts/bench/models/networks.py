"""The networks of the comparison that Keras builds: name → (model, shape of one sample). Weights are random, with the same seeds every time."""
import numpy as np
from tensorflow import keras

L = keras.layers
PICTURE = (224, 224, 3)


def _picture(build, **options):
    model = build(weights=None, input_shape=PICTURE, **options)
    for layer in model.layers:      # statistics as training leaves them: with the initial ones many activations would be dead
        if isinstance(layer, L.BatchNormalization):
            rng = np.random.default_rng(len(layer.name) + layer.gamma.shape[0])
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights([gamma * rng.uniform(0.8, 1.2, gamma.shape), rng.normal(0, 0.3, beta.shape), mean, variance])
    return model, PICTURE


def tcn():
    """Five causal convolutions with growing dilation over 256 steps of 8 sensors."""
    x = first = keras.Input((256, 8))
    for dilation in (1, 2, 4, 8, 16):
        x = L.Conv1D(32, 3, dilation_rate=dilation, padding="causal", activation="relu")(x)
    return keras.Model(first, L.Dense(1)(L.GlobalAveragePooling1D()(x))), (256, 8)


def attention():
    """A two-layer encoder, 64 steps of width 64, four heads."""
    first = keras.Input((64, 32))
    x = L.Dense(64)(first)
    for _ in range(2):
        x = L.LayerNormalization()(x + L.MultiHeadAttention(4, 16)(x, x))
        wide = L.Dense(128, activation=lambda v: keras.activations.gelu(v, approximate=True))(x)
        x = L.LayerNormalization()(x + L.Dense(64)(wide))
    return keras.Model(first, L.Dense(8)(L.GlobalAveragePooling1D()(x))), (64, 32)


def lstm():
    """One layer of 128 cells over 64 steps of 16 sensors."""
    first = keras.Input((64, 16))
    return keras.Model(first, L.Dense(10, activation="softmax")(L.LSTM(128)(first))), (64, 16)


def gru():
    """Two layers of 64 cells over 96 steps of 8 sensors: WHILE loops in .tflite, Loop in .onnx."""
    first = keras.Input((96, 8))
    x = L.GRU(64)(L.GRU(64, return_sequences=True)(first))
    return keras.Model(first, L.Dense(24)(x)), (96, 8)


A = keras.applications
PICTURES = {
    "mobilenet_v1": lambda: _picture(A.MobileNet),
    "mobilenet_v2": lambda: _picture(A.MobileNetV2),
    "mobilenet_v3_small": lambda: _picture(A.MobileNetV3Small, include_preprocessing=False),
    "efficientnet_b0": lambda: _picture(A.EfficientNetB0),
    "resnet50": lambda: _picture(A.ResNet50),
}
SERIES = {"tcn": tcn, "attention": attention, "lstm": lstm, "gru": gru}
FLOAT_ONLY = {"lstm", "gru"}    # the converter has no int8 form of a loop
