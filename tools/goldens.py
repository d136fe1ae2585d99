#!/usr/bin/python3
"""Compute, with PyTorch, what tests/test_goldens.c expects of both networks.

Run by hand after a change of what is computed (python3-torch is needed for nothing else):

    tools/goldens.py tests/goldens

One training step of the paper's objective with a generator: two processed and two raw rows through
one network. Parameters and inputs follow from a closed formula that the test has, too. All is
computed in double, so the numbers written are the mathematics and not one float implementation.
"""

import sys

import numpy as np
import torch
import torch.nn.functional as F

SAMPLES = 4


def uniform(stream, count):
    """count values in [0, 1) with 24 bits: a hash of (stream, index)."""
    h = np.arange(count, dtype=np.uint64) + np.uint64(stream) * np.uint64(0x9E3779B1)
    mask = np.uint64(0xFFFFFFFF)
    h &= mask
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 1)):
        h = ((h ^ (h >> np.uint64(shift))) * np.uint64(factor)) & mask
    return (h >> np.uint64(8)).astype(np.float64) / 2.0**24


def between(stream, shape, low, high):
    """Rounded to float, as the test has it, then used as a double."""
    values = low + (high - low) * uniform(stream, int(np.prod(shape)))
    return torch.from_numpy(values.astype(np.float32).astype(np.float64).reshape(shape))


class Net:
    """Parameters in the order of their first use, each drawn by its kind."""

    def __init__(self):
        self.params, self.buffers, self.count = {}, {}, 0

    def draw(self, name, shape, low, high, is_buffer=False):
        into = self.buffers if is_buffer else self.params
        if name not in into:
            into[name] = between(self.count, shape, low, high).requires_grad_(not is_buffer)
            self.count += 1
        return into[name]

    def weight(self, name, shape):
        bound = float(np.sqrt(6.0 / np.prod(shape[1:])))
        return self.draw(name + ".weight", shape, -bound, bound)

    def bias(self, name, count):
        return self.draw(name + ".bias", (count,), -0.1, 0.1)

    def conv(self, x, name, channels, kernel, stride=1, bias=True):
        w = self.weight(name, (channels, x.shape[1], kernel, kernel))
        b = self.bias(name, channels) if bias else None
        return F.conv2d(x, w, b, stride, kernel // 2)

    def norm(self, x, name, training):
        c = (x.shape[1],)
        scale = self.draw(name + ".weight", c, 0.8, 1.2)
        shift = self.bias(name, c[0])
        mean = self.draw(name + ".running_mean", c, -0.1, 0.1, True)
        var = self.draw(name + ".running_var", c, 0.8, 1.2, True)
        return F.batch_norm(x, mean, var, scale, shift, training, 0.1, 1e-5)

    def dense(self, x, name, k):
        x = x.flatten(1)
        return F.linear(x, self.weight(name, (k, x.shape[1])), self.bias(name, k))


def generator(net, x, width):
    y = F.relu(net.conv(x, "transform.conv1", width, 5))
    return x + torch.tanh(net.conv(y, "transform.conv2", x.shape[1], 1))


def simple_cnn(net, x, training):
    x = F.max_pool2d(F.relu(net.conv(x, "conv1", 32, 3)), 2)
    x = F.max_pool2d(F.relu(net.conv(x, "conv2", 64, 3)), 2)
    return net.dense(F.relu(net.dense(x, "fc1", 1024)), "fc2", 10)


def shortcut(x, channels, stride):
    half = (channels - x.shape[1]) // 2
    return F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, half, half))


def resnet20(net, x, training):
    x = F.relu(net.norm(net.conv(x, "conv1", 16, 3, bias=False), "bn1", training))
    for stage in range(3):
        channels = 16 << stage
        for index in range(3):
            name = f"layer{stage + 1}.{index}"
            stride = 2 if stage > 0 and index == 0 else 1
            y = net.conv(x, name + ".conv1", channels, 3, stride, bias=False)
            y = F.relu(net.norm(y, name + ".bn1", training))
            y = net.conv(y, name + ".conv2", channels, 3, bias=False)
            y = net.norm(y, name + ".bn2", training)
            x = F.relu(y + shortcut(x, channels, stride))
    return net.dense(x.mean((2, 3)), "fc", 10)


def row(name, tensor):
    """Sum, Euclidean norm, and values at fixed places."""
    flat = tensor.detach().numpy().ravel()
    picks = [flat[flat.size * (2 * i + 1) // (2 * SAMPLES)] for i in range(SAMPLES)]
    numbers = [flat.sum(), np.sqrt((flat * flat).sum())] + picks
    text = ", ".join(f"{v:.9g}" for v in numbers[2:])
    return f'    {{"{name}", {flat.size}, {numbers[0]:.9g}, {numbers[1]:.9g},\n     {{{text}}}}},\n'


def table(kind, name, rows):
    return f"static const struct {kind} {name}[] = {{\n{''.join(rows)}}};\n\n"


def values(name, tensor):
    flat = tensor.detach().numpy().ravel()
    lines = "".join("    " + " ".join(f"{v:.9g}," for v in flat[i:i + 5]) + "\n"
                    for i in range(0, flat.size, 5))
    return f"static const double {name}[] = {{\n{lines}}};\n\n"


def golden(prefix, build, channels, width):
    net = Net()
    x = between(1000, (2, channels, 28, 28), 0, 1).requires_grad_(True)
    labels = torch.tensor([3, 7])

    processed = generator(net, x, width)
    both = torch.cat((processed, x))
    evaluated = build(net, both.detach(), False)
    logits = build(net, both, True)
    losses = [F.cross_entropy(logits[:2], labels),
              F.softmax(logits[2:], 1).gather(1, labels[:, None]).mean(),
              ((processed - x) ** 2).sum((1, 2, 3)).mean()]
    gamma = float(np.float32(0.01))
    (losses[0] + losses[1] + gamma * losses[2]).backward()

    out = "/* Written by tools/goldens.py; read by tests/test_goldens.c. */\n\n"
    out += values(prefix + "_logits", logits)
    out += values(prefix + "_evaluated", evaluated)
    out += values(prefix + "_losses", torch.stack(losses))
    gradients = [row("input", x.grad)] + [row(n, p.grad) for n, p in net.params.items()]
    out += table("golden", prefix + "_gradients", gradients)
    if net.buffers:
        out += table("golden", prefix + "_buffers", [row(n, b) for n, b in net.buffers.items()])
    return out.rstrip("\n") + "\n"


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: tools/goldens.py FOLDER")
    for prefix, build, channels, width in (("simple_cnn", simple_cnn, 1, 16),
                                           ("resnet20", resnet20, 3, 64)):
        with open(f"{sys.argv[1]}/{prefix}.h", "w", encoding="ascii") as file:
            file.write(golden(prefix, build, channels, width))


main()
