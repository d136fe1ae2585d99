"""ward's networks and generator in PyTorch, under the same parameter names; and ward's files."""
import json

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, before, after, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.stride, self.pad = stride, (after - before) // 2

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)), inplace=True)))
        if self.pad:
            x = F.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, self.pad, self.pad))
        return F.relu(y + x, inplace=True)


class ResNet(nn.Module):
    def __init__(self, blocks):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        before = 16
        for stage, after in enumerate((16, 32, 64), 1):
            layer = [Block(before if i == 0 else after, after, 2 if i == 0 and stage > 1 else 1)
                     for i in range(blocks)]
            setattr(self, f"layer{stage}", nn.Sequential(*layer))
            before = after
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class SimpleCnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 32, 3, 1, 1), nn.Conv2d(32, 64, 3, 1, 1)
        self.fc1, self.fc2 = nn.Linear(3136, 1024), nn.Linear(1024, 10)
        self.mask = None  # factors to use in place of a draw: to compute what ward did

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x), inplace=True), 2)
        x = F.max_pool2d(F.relu(self.conv2(x), inplace=True), 2)
        x = F.relu(self.fc1(x.flatten(1)), inplace=True)
        return self.fc2(F.dropout(x, 0.5, self.training) if self.mask is None else x * self.mask)


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 16, 5, 1, 2), nn.Conv2d(16, 1, 1)

    def forward(self, x):
        return x + torch.tanh(self.conv2(F.relu(self.conv1(x), inplace=True)))


def make(arch):
    return SimpleCnn() if arch == "simple-cnn" else ResNet((int(arch[6:]) - 2) // 6)


class Trainer:
    """A training step of the paper's objective; without G, of the cross entropy alone."""

    def __init__(self, f, g, rate, memory_format=torch.contiguous_format):
        self.f, self.g = f.to(memory_format=memory_format), g
        self.memory_format = memory_format
        params = list(f.parameters())
        if g is not None:
            g.to(memory_format=memory_format)
            params += g.parameters()
        # Weights decay, biases and batch norm do not.
        self.sgd = torch.optim.SGD([{"params": [p for p in params if p.dim() > 1]},
                                    {"params": [p for p in params if p.dim() == 1],
                                     "weight_decay": 0}],
                                   rate, momentum=0.9, weight_decay=5e-4)

    def losses(self, x, y):
        """E_p, E_r and the squared distance."""
        if self.g is None:
            return F.cross_entropy(self.f(x), y), None, None
        processed = self.g(x)
        logits = self.f(torch.cat([processed, x]))
        raw = F.softmax(logits[len(x):], 1).gather(1, y[:, None]).mean()
        return (F.cross_entropy(logits[:len(x)], y), raw,
                ((processed - x) ** 2).sum((1, 2, 3)).mean())

    def step(self, x, y):
        losses = self.losses(x.contiguous(memory_format=self.memory_format), y)
        total = losses[0] if self.g is None else losses[0] + losses[1] + 0.01 * losses[2]
        self.sgd.zero_grad(set_to_none=True)
        total.backward()
        self.sgd.step()
        return losses


# ---- ward's files: docs/formats.md ----

def parse_safetensors(data):
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    values = data[8 + length:]
    return {name: torch.from_numpy(np.frombuffer(values[t["data_offsets"][0]:t["data_offsets"][1]],
                                                 "<f4").reshape(t["shape"]).copy())
            for name, t in header.items()}


def load_network(run, arch):
    """F of a run, in evaluation mode."""
    f = make(arch)
    f.load_state_dict({**{k: v for k, v in f.state_dict().items() if "num_batches" in k},
                       **parse_safetensors((run / "model.safetensors").read_bytes())})
    return f.eval()


def load(run, arch):
    """F and G (None if there is none) of a run that is not sealed, in evaluation mode."""
    g = None
    if (run / "transform.ward").exists():
        frame = (run / "transform.ward").read_bytes()
        g = Generator()
        g.load_state_dict({name.removeprefix("transform."): value for name, value in
                           parse_safetensors(frame[40:-32]).items()})
        g.eval()
    return load_network(run, arch), g
