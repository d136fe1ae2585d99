#!/usr/bin/python3
"""Times the paired training step (the paper's objective, SGD) in ward and in PyTorch, in turn.

    bench/compare_step.py BUILD/bench/step [ARCH ...] [--rounds N] [--json FILE]

Both do the same work on 128 images of 1x28x28: forward, backward and SGD of F and G with raw and
processed images in one batch of 256. tests/goldens/ holds that both compute the same values. PyTorch
runs in its faster memory format of the two. Prints, for each network, the median over the rounds of
the ratio PyTorch's time / ward's (above 1: ward is faster) with its range.

A tool for developers: needs python3-torch, which nothing else does.
"""
import argparse
import json
import statistics
import subprocess
import time

import torch
from torch import nn
from torch.nn import functional as F

BATCH = 128


class Block(nn.Module):
    def __init__(self, before, after, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.stride, self.pad = stride, (after - before) // 2

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.pad:
            x = F.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, self.pad, self.pad))
        return F.relu(y + x)


def resnet20():
    layers = [nn.Conv2d(1, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    before = 16
    for after in (16, 32, 64):
        for _ in range(3):
            layers.append(Block(before, after, 1 if before == after else 2))
            before = after
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def simple_cnn():
    return nn.Sequential(nn.Conv2d(1, 32, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Conv2d(32, 64, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Linear(3136, 1024), nn.ReLU(), nn.Dropout(0.5), nn.Linear(1024, 10))


class Torch:
    """One network with its generator, ready to step."""

    def __init__(self, arch, memory_format):
        self.f = {"resnet20": resnet20, "simple-cnn": simple_cnn}[arch]()
        self.g = nn.Sequential(nn.Conv2d(1, 16, 5, 1, 2), nn.ReLU(), nn.Conv2d(16, 1, 1), nn.Tanh())
        self.f.to(memory_format=memory_format)
        self.g.to(memory_format=memory_format)
        self.sgd = torch.optim.SGD([*self.f.parameters(), *self.g.parameters()], 1e-3, momentum=0.9,
                                   weight_decay=5e-4)
        self.x = torch.rand(BATCH, 1, 28, 28).contiguous(memory_format=memory_format)
        self.y = torch.randint(0, 10, (BATCH,))

    def step(self):
        processed = self.x + self.g(self.x)
        logits = self.f(torch.cat([processed, self.x]))
        e_p = F.cross_entropy(logits[:BATCH], self.y)
        e_r = F.softmax(logits[BATCH:], 1).gather(1, self.y[:, None]).mean()
        distance = ((processed - self.x) ** 2).sum((1, 2, 3)).mean()
        self.sgd.zero_grad()
        (e_p + e_r + 0.01 * distance).backward()
        self.sgd.step()

    def median_ms(self, seconds):
        times, start = [], time.perf_counter()
        while time.perf_counter() - start < seconds or len(times) < 3:
            begin = time.perf_counter()
            self.step()
            times.append(time.perf_counter() - begin)
        return 1e3 * statistics.median(times)


def ward(program, arch, seconds, threads):
    out = subprocess.run([program, arch, "generator", "--seconds", str(seconds)],
                         check=True, capture_output=True, text=True,
                         env={"OMP_NUM_THREADS": str(threads)}).stdout
    return json.loads(out)["median_ms"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("arch", nargs="*", default=["resnet20", "simple-cnn"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    results = []
    for arch in args.arch:
        candidates = {name: Torch(arch, getattr(torch, name))
                      for name in ("contiguous_format", "channels_last")}
        first = {name: t.median_ms(args.seconds) for name, t in candidates.items()}
        best = min(first, key=first.get)
        rounds = []
        for _ in range(args.rounds):
            ours = ward(args.program, arch, args.seconds, args.threads)
            rounds.append((candidates[best].median_ms(args.seconds), ours))
        ratios = sorted(theirs / ours for theirs, ours in rounds)
        results.append({"arch": arch, "batch": BATCH, "threads": args.threads,
                        "torch": torch.__version__, "torch_format": best,
                        "torch_ms": statistics.median(r[0] for r in rounds),
                        "ward_ms": statistics.median(r[1] for r in rounds),
                        "ratio": statistics.median(ratios), "ratio_range": [ratios[0], ratios[-1]]})
        print(json.dumps(results[-1]), flush=True)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as out:
            json.dump(results, out, indent=2)
            out.write("\n")


if __name__ == "__main__":
    main()
