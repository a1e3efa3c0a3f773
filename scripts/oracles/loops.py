#!/usr/bin/env python3
"""Writes graph/load/testdata/loops.npz: recurrent layers of Keras as TensorFlow's converter makes WHILE loops of them, and what LiteRT computes.

usage: scripts/bench/models/make.sh has the packages: V/bin/pip install -r scripts/bench/models/requirements.txt; V/bin/python scripts/oracles/loops.py

CASE.model: the bytes of the .tflite file; CASE.in.N and CASE.out.N: one run. Names of cases that start with "other" are loops which are no GRU or LSTM.
"""
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tensorflow import keras
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

ROOT = pathlib.Path(__file__).resolve().parents[2]
L = keras.layers


def randomize(model, rng):
    """Weights and biases that let every gate matter."""
    model.set_weights([rng.normal(0, 0.7, w.shape).astype(np.float32) for w in model.get_weights()])


def convert(model, shapes):
    signature = [tf.TensorSpec(s, tf.float32, name=f"x{i}") for i, s in enumerate(shapes)]
    call = tf.function(lambda *x: model(x[0] if len(x) == 1 else list(x), training=False), input_signature=signature)
    frozen = convert_variables_to_constants_v2(call.get_concrete_function(), lower_control_flow=False)
    return tf.lite.TFLiteConverter.from_concrete_functions([frozen]).convert()


def sequence(layer, steps, width, batch=1, states=0):
    """One layer over a sequence; with states, they are inputs and outputs too."""
    x = keras.Input((steps, width), batch_size=batch)
    start = [keras.Input((layer.units,), batch_size=batch) for _ in range(states)]
    y = layer(x, initial_state=start) if states else layer(x)
    return keras.Model([x] + start if states else x, y), [(batch, steps, width)] + [(batch, layer.units)] * states


def time_major(layer, steps, width, batch):
    x = keras.Input(batch_shape=(steps, batch, width))
    y = keras.ops.transpose(layer(keras.ops.transpose(x, (1, 0, 2))), (1, 0, 2))
    return keras.Model(x, y), [(steps, batch, width)]


def two_layers():
    x = keras.Input((6, 3), batch_size=1)
    return keras.Model(x, L.LSTM(4)(L.GRU(5, return_sequences=True)(x))), [(1, 6, 3)]


def masked():
    x = keras.Input((6, 3), batch_size=1)
    return keras.Model(x, L.GRU(5)(L.Masking()(x))), [(1, 6, 3)]


CASES = {
    "gru": lambda: sequence(L.GRU(5), 7, 3),
    "gru_sequences": lambda: sequence(L.GRU(5, return_sequences=True), 7, 3),
    "gru_before": lambda: sequence(L.GRU(5, reset_after=False, return_sequences=True), 7, 3),
    "gru_before_last": lambda: sequence(L.GRU(5, reset_after=False), 7, 5),
    "gru_backwards": lambda: sequence(L.GRU(4, go_backwards=True, return_sequences=True), 6, 2),
    "gru_states": lambda: sequence(L.GRU(5, return_sequences=True, return_state=True), 5, 3, batch=2, states=1),
    "gru_time_major": lambda: time_major(L.GRU(6, return_sequences=True), 5, 3, 2),
    "gru_no_bias": lambda: sequence(L.GRU(5, use_bias=False), 7, 3),
    "gru_wide": lambda: sequence(L.GRU(19), 30, 4),
    "gru_one": lambda: sequence(L.GRU(1, return_sequences=True), 4, 1),
    "gru_single": lambda: sequence(L.GRU(1), 4, 2),
    "gru_square": lambda: sequence(L.GRU(3, return_sequences=True), 3, 3, batch=3),
    "lstm": lambda: sequence(L.LSTM(5), 7, 3),
    "lstm_sequences": lambda: sequence(L.LSTM(5, return_sequences=True), 7, 3),
    "lstm_states": lambda: sequence(L.LSTM(5, return_sequences=True, return_state=True), 5, 3, batch=2, states=2),
    "lstm_backwards": lambda: sequence(L.LSTM(4, go_backwards=True), 6, 2),
    "lstm_no_forget_bias": lambda: sequence(L.LSTM(5, unit_forget_bias=False), 7, 5),
    "lstm_time_major": lambda: time_major(L.LSTM(6, return_sequences=True), 5, 3, 2),
    "lstm_no_bias": lambda: sequence(L.LSTM(9, use_bias=False), 7, 3),
    "two_layers": two_layers,
    "other_relu": lambda: sequence(L.GRU(5, activation="relu"), 7, 3),
    "other_hard": lambda: sequence(L.GRU(5, recurrent_activation="hard_sigmoid"), 7, 3),
    "other_cell": lambda: sequence(L.LSTM(5, activation="softsign"), 7, 3),
    "other_simple": lambda: sequence(L.SimpleRNN(5), 7, 3),
    "other_masked": masked,
}

arrays = {}
for n, (name, build) in enumerate(CASES.items()):
    rng = np.random.default_rng(n)
    model, shapes = build()
    randomize(model, rng)
    data = convert(model, shapes)
    it = Interpreter(model_content=data, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    it.allocate_tensors()
    arrays[name + ".model"] = np.frombuffer(data, np.uint8)
    for i, (d, s) in enumerate(zip(it.get_input_details(), shapes)):
        assert tuple(d["shape"]) == s, (name, d["shape"], s)
        x = rng.uniform(-1, 1, s).astype(np.float32)
        arrays[f"{name}.in.{i}"] = x
        it.set_tensor(d["index"], x)
    it.invoke()
    for i, d in enumerate(it.get_output_details()):
        arrays[f"{name}.out.{i}"] = it.get_tensor(d["index"])
    ops = [d["op_name"] for d in it._get_ops_details()]
    print(name, len(data), {k: ops.count(k) for k in sorted(set(ops))})
np.savez_compressed(ROOT / "graph/load/testdata/loops.npz", **arrays)
