"""
The model_id of a model.safetensors, worked out from docs/formats.md alone; an independent check of
src/model/model.c. Without an operand: of the model in test_model.c. Needs nothing but Python.
"""
import hashlib
import json
import struct
import sys


def u64(value):
    return struct.pack("<Q", value)


def string(text):
    data = text.encode()
    return u64(len(data)) + data


def model_id(metadata, tensors):
    """tensors: (name, shape, bytes) in the order of the file."""
    names = json.loads(metadata["class_names"])
    data = string("ward-model-id-1")
    data += string(metadata["architecture"]) + string(metadata["method"])
    for dim in json.loads(metadata["input_shape"]):
        data += u64(dim)
    data += u64(len(names)) + struct.pack("<2f", *json.loads(metadata["input_range"]))
    data += b"".join(string(name) for name in names)
    for name, shape, values in tensors:
        data += string(name) + u64(len(shape)) + b"".join(u64(d) for d in shape) + values
    return hashlib.sha256(data).hexdigest()


def read(path):
    with open(path, "rb") as file:
        data = file.read()
    length = struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8:8 + length])
    metadata = header.pop("__metadata__")
    values = data[8 + length:]
    tensors = [(name, t["shape"], values[slice(*t["data_offsets"])]) for name, t in header.items()]
    return metadata, sorted(tensors, key=lambda t: header[t[0]]["data_offsets"])


def of_the_test():
    metadata = {"architecture": "simple-cnn", "method": "generator", "input_shape": "[1, 8, 8]",
                "input_range": "[0.0, 1.0]", "class_names": '["left", "right"]'}
    shapes = {"conv1.weight": [32, 1, 3, 3], "conv1.bias": [32], "conv2.weight": [64, 32, 3, 3],
              "conv2.bias": [64], "fc1.weight": [1024, 256], "fc1.bias": [1024],
              "fc2.weight": [2, 1024], "fc2.bias": [2]}
    tensors = []
    for i, (name, shape) in enumerate(shapes.items()):
        count = 1
        for dim in shape:
            count *= dim
        values = [0.25 * ((i + j) % 7) for j in range(count)]
        tensors.append((name, shape, struct.pack("<%df" % count, *values)))
    return model_id(metadata, tensors)


if len(sys.argv) < 2:
    print(of_the_test())
else:
    found, parameters = read(sys.argv[1])
    print(model_id(found, parameters), found["model_id"])
