"""Networks as PyTorch exports them, without their weights: tests/onnx/*.onnx.

onnx_skeleton.py empty MODEL OUT   take the weights out of a file
onnx_skeleton.py fill MODEL OUT    put weights into it, always the same ones
"""
import sys

import numpy as np
import onnx
from onnx import numpy_helper


def empty(model):
    for tensor in model.graph.initializer:
        assert tensor.data_type == onnx.TensorProto.FLOAT and tensor.raw_data
        tensor.ClearField('raw_data')


def fill(model):
    draw = np.random.default_rng(1)
    for tensor in model.graph.initializer:
        shape = tuple(tensor.dims)
        if len(shape) == 1:  # also variances, so above zero
            values = draw.uniform(0.5, 1.5, shape)
        else:
            values = draw.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
        tensor.CopyFrom(numpy_helper.from_array(values.astype('<f4'), tensor.name))


todo, source, target = sys.argv[1:]
network = onnx.load(source)
{'empty': empty, 'fill': fill}[todo](network)
onnx.save(network, target)
