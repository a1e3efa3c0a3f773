"""The networks of the comparison that are written as ONNX operators: name → model. Weights are random, with the same seeds every time."""
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Net:
    """Collects the nodes and weights of one model."""

    def __init__(self, seed):
        self.rng, self.nodes, self.weights = np.random.default_rng(seed), [], []

    def weight(self, *shape, fan=None):
        """A float32 weight, scaled so that sums of fan products stay near 1."""
        data = self.rng.standard_normal(shape) / np.sqrt(fan or np.prod(shape[1:]))
        return self.const(data.astype(np.float32))

    def const(self, array):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def __call__(self, op, *inputs, outputs=1, **attributes):
        names = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def model(self, shape, out, out_shape, opset):
        graph = helper.make_graph(self.nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                                  [helper.make_tensor_value_info(out, TensorProto.FLOAT, out_shape)], self.weights)
        m = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
        onnx.checker.check_model(m)
        return m


def recurrent(op, inputs, cells, steps):
    """One GRU or LSTM operator over a sequence, all steps returned."""
    gates = {"GRU": 3, "LSTM": 4}[op]
    n = Net(cells)
    names = [n.weight(1, gates * cells, inputs, fan=inputs), n.weight(1, gates * cells, cells, fan=cells), n.weight(1, 2 * gates * cells, fan=100)]
    reset = {"linear_before_reset": 1} if op == "GRU" else {}
    y, _ = n(op, "x", *names, outputs=2, hidden_size=cells, **reset)
    return n.model([steps, 1, inputs], y, [steps, 1, 1, cells], 18)


def resnet8():
    """The residual network of the MLPerf Tiny image task: 32×32 pictures, ten classes."""
    n = Net(8)

    def conv(x, cin, cout, kernel=3, stride=1, relu=True):
        pads = [0] * 4 if kernel == 1 else [1] * 4 if stride == 1 else [0, 0, 1, 1]
        x = n("Conv", x, n.weight(cout, cin, kernel, kernel), n.weight(cout, fan=100), kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads)
        return n("Relu", x) if relu else x

    x = conv("x", 3, 16)
    for cin, cout in ((16, 16), (16, 32), (32, 64)):
        stride = 1 if cin == cout else 2
        short = x if stride == 1 else conv(x, cin, cout, kernel=1, stride=2, relu=False)
        x = n("Relu", n("Add", short, conv(conv(x, cin, cout, stride=stride), cout, cout, relu=False)))
    x = n("AveragePool", x, kernel_shape=[8, 8], strides=[8, 8])
    x = n("Reshape", x, n.const(np.array([1, 64], np.int64)))
    x = n("Softmax", n("Gemm", x, n.weight(10, 64), n.weight(10, fan=100), transB=1), axis=-1)
    return n.model([1, 3, 32, 32], x, [1, 10], 13)


def mnist():
    """The structure of the ONNX model zoo's mnist-12: two convolutions with a separate addition, a product with a reshaped weight."""
    n = Net(12)
    x = "x"
    for cin, cout, pool in ((1, 8, 2), (8, 16, 3)):
        x = n("Conv", x, n.weight(cout, cin, 5, 5), kernel_shape=[5, 5], auto_pad="SAME_UPPER")
        x = n("Relu", n("Add", x, n.weight(cout, 1, 1, fan=100)))
        x = n("MaxPool", x, kernel_shape=[pool, pool], strides=[pool, pool])
    x = n("Reshape", x, n.const(np.array([1, 256], np.int64)))
    w = n("Reshape", n.weight(16, 4, 4, 10, fan=256), n.const(np.array([256, 10], np.int64)))
    x = n("Add", n("MatMul", x, w), n.weight(1, 10, fan=100))
    return n.model([1, 1, 28, 28], x, [1, 10], 12)


NETS = {
    "resnet8_f32": resnet8,
    "mnist12_f32": mnist,
    "gru64_f32": lambda: recurrent("GRU", 8, 64, 96),
    "gru256_f32": lambda: recurrent("GRU", 64, 256, 32),
    "lstm128_f32": lambda: recurrent("LSTM", 16, 128, 64),
}
