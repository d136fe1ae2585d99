"""ONNX models evaluated with NumPy: the operators of our networks, as ward and PyTorch write them, each
from its specification. In double precision, slow, and independent of everything under test.

onnx_reference.py MODEL INPUT SHAPE EXPECTED   compare: files of bare float32; exits with 1 if a value
                                               is off by more than 1e-4
"""
import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper

TOLERANCE = 1e-4


def windows(x, kernel, stride):
    view = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), axis=(2, 3))
    return view[:, :, ::stride, ::stride]


def conv(x, w, b=0, *, kernel_shape, pads=(0,), strides=(1,), dilations=(1,), group=1):
    assert len(set(pads)) == len(set(strides)) == len(set(kernel_shape)) == 1
    assert set(dilations) == {1} and group == 1
    p = pads[0]
    view = windows(np.pad(x, ((0, 0), (0, 0), (p, p), (p, p))), kernel_shape[0], strides[0])
    y = np.tensordot(view, w, axes=((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2)
    return y + np.reshape(b, (1, -1, 1, 1))


def batch_norm(x, scale, shift, mean, var, *, epsilon=1e-5, momentum=0.9, training_mode=0):
    assert training_mode == 0 and momentum is not None
    channels = (1, -1) + (1,) * (x.ndim - 2)
    scale, shift, mean, var = (np.reshape(v, channels) for v in (scale, shift, mean, var))
    return scale * (x - mean) / np.sqrt(var + epsilon) + shift


def max_pool(x, *, kernel_shape, strides, pads=(0,), ceil_mode=0):
    assert set(pads) == {0} and ceil_mode == 0
    return windows(x, kernel_shape[0], strides[0]).max(axis=(4, 5))


def gemm(x, w, b, *, alpha=1, beta=1, transA=0, transB=0):  # the specification's names
    return alpha * (x.T if transA else x) @ (w.T if transB else w) + beta * b


def take_slice(x, starts, ends, axes, steps):
    place = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps):
        # What lies before the first element cannot be said with a number in Python.
        place[axis] = slice(start, None if end < -x.shape[axis] else end, step)
    return x[tuple(place)]


def pad(x, pads, value=0, *, mode=b'constant'):
    assert mode == b'constant' and (value is None or value == 0)
    return np.pad(x, [(pads[i], pads[i + x.ndim]) for i in range(x.ndim)])


def space_to_depth(x, *, blocksize):
    n, c, h, w = x.shape
    x = x.reshape(n, c, h // blocksize, blocksize, w // blocksize, blocksize)
    return x.transpose(0, 3, 5, 1, 2, 4).reshape(n, -1, h // blocksize, w // blocksize)


def depth_to_space(x, *, blocksize, mode=b'DCR'):
    n, c, h, w = x.shape
    assert mode == b'DCR'
    x = x.reshape(n, blocksize, blocksize, c // blocksize**2, h, w)
    return x.transpose(0, 3, 4, 1, 5, 2).reshape(n, -1, h * blocksize, w * blocksize)


OPERATORS = {
    'Add': np.add,
    'BatchNormalization': batch_norm,
    'Cast': lambda x, to: x.astype(helper.mapping.TENSOR_TYPE_TO_NP_TYPE[to]),
    'Clip': np.clip,
    'Concat': lambda *parts, axis: np.concatenate(parts, axis),
    'Constant': lambda value: numpy_helper.to_array(value),
    'ConstantOfShape': lambda shape, value: np.full(shape, numpy_helper.to_array(value)[0]),
    'Conv': conv,
    'DepthToSpace': depth_to_space,
    'Flatten': lambda x, axis=1: x.reshape(x.shape[0], -1),
    'Gather': lambda x, indices, axis=0: np.take(x, indices, axis),
    'Gemm': gemm,
    'GlobalAveragePool': lambda x: x.mean(axis=(2, 3), keepdims=True),
    'Identity': lambda x: x,
    'LeakyRelu': lambda x, alpha=0.01: np.where(x >= 0, x, alpha * x),
    'MatMul': np.matmul,
    'MaxPool': max_pool,
    'Mul': np.multiply,
    'Pad': pad,
    'ReduceMean': lambda x, axes: x.mean(axis=tuple(axes), keepdims=True),
    'Relu': lambda x: np.maximum(x, 0),
    'Reshape': lambda x, shape: x.reshape(shape),
    'Slice': take_slice,
    'SpaceToDepth': space_to_depth,
    'Tanh': np.tanh,
    'Transpose': lambda x, perm: x.transpose(perm),
}


def run(path, x):
    graph = onnx.load(path).graph
    values = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    values[graph.input[0].name] = x.astype(np.float64)
    values[''] = None  # an input that is left out
    for node in graph.node:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        values[node.output[0]] = OPERATORS[node.op_type](*(values[i] for i in node.input),
                                                         **attributes)
    return values[graph.output[0].name]


def main():
    model, source, shape, expected = sys.argv[1:]
    x = np.fromfile(source, '<f4').reshape(tuple(map(int, shape.split(','))))
    wanted = np.fromfile(expected, '<f4')
    off = np.abs(run(model, x).ravel() - wanted).max()
    print(f'{len(x)} images; largest difference {off:.2g}; largest value '
          f'{np.abs(wanted).max():.2g}')
    return 0 if off <= TOLERANCE else 1


if __name__ == '__main__':
    sys.exit(main())
