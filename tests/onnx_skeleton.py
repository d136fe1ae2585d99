"""Networks as PyTorch exports them, without their weights: tests/onnx/*.onnx.

onnx_skeleton.py empty MODEL OUT   take the weights out of a file
onnx_skeleton.py fill MODEL OUT    put weights into it, always the same ones
onnx_skeleton.py means MODEL OUT   put means over height and width in the place of global pools, as x.mean((2, 3), keepdim=True)
                                   is exported with opset 18: the axes are an input
onnx_skeleton.py pads MODEL OUT    name the axes of each Pad, all four in order, as opset 18 allows
onnx_skeleton.py turned-pads MODEL OUT   the same, the first two changed about: another network
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


def means(model):
    axes = numpy_helper.from_array(np.array([2, 3], np.int64), 'axes_of_means')
    for node in model.graph.node:
        if node.op_type == 'GlobalAveragePool':
            node.op_type = 'ReduceMean'
            node.input.append(axes.name)
    model.graph.initializer.append(axes)
    model.opset_import[0].version = 18


def name_axes(model, order):
    axes = numpy_helper.from_array(np.array(order, np.int64), 'axes_of_pads')
    for node in model.graph.node:
        if node.op_type == 'Pad':
            node.input.extend([''] * (3 - len(node.input)) + [axes.name])
    model.graph.initializer.append(axes)
    model.opset_import[0].version = 18


def pads(model):
    name_axes(model, [0, 1, 2, 3])


def turned_pads(model):
    name_axes(model, [1, 0, 2, 3])


todo, source, target = sys.argv[1:]
network = onnx.load(source)
{'empty': empty, 'fill': fill, 'means': means, 'pads': pads, 'turned-pads': turned_pads}[todo](network)
onnx.save(network, target)
