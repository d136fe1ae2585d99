"""Whether ward, PyTorch and ONNX Runtime compute the same thing; nothing is timed before that.

Two training steps are done by `ward train` and again by PyTorch in double, with ward's weights,
order of images and dropout masks: the losses and the weights must agree, so gradients, momentum and
decay do. Of a network that ward trained a little longer, the logits must agree in all three.
"""
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

import networks

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from make_images import write_png  # noqa: E402

BATCH, TESTS, RATE, SEED = 128, 16, 0.1, 1
RNG_SHUFFLE, RNG_DROPOUT = 2, 4
LOSS_TOLERANCE = 1e-4  # relative
# Relative to the distance gone, by step: of all weights together, and of the worst parameter. Some
# gradients of batch norm are sums that cancel: PyTorch's own in float are 0.6 % from those in
# double; the second step starts from the first one's difference. A wrong formula shows as about 1.
STEP_TOLERANCES = (0.001, 0.005)
WORST_TOLERANCES = (0.05, 0.2)
LOGIT_TOLERANCE = 1e-4


class Disagreement(Exception):
    pass


# ---- ward's random numbers: src/base/rng.h ----

def philox(purpose, step, sample, blocks):
    """The first words of a stream, 4 a block; sample may be an array: a row for each."""
    sample = np.asarray(sample, np.uint64)[..., None]
    zero = np.zeros(np.broadcast_shapes(sample.shape, (blocks,)), np.uint64)
    low = np.uint64(0xFFFFFFFF)
    c = [zero + np.arange(blocks, dtype=np.uint64) + np.uint64(purpose << 28),
         zero + np.uint64(step), zero + (sample & low), zero + (sample >> np.uint64(32))]
    k = [SEED & 0xFFFFFFFF, SEED >> 32]
    for _ in range(10):
        a, b = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(b >> np.uint64(32)) ^ c[1] ^ np.uint64(k[0]), b & low,
             (a >> np.uint64(32)) ^ c[3] ^ np.uint64(k[1]), a & low]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return np.stack(c, -1).reshape(*zero.shape[:-1], 4 * blocks)


def permutation(epoch, count):
    words = iter(philox(RNG_SHUFFLE, epoch, 0, count).tolist())
    order = [0] * count
    for i in range(count):
        n = i + 1
        product = next(words) * n
        while product & 0xFFFFFFFF < 2**32 % n:
            product = next(words) * n
        j = product >> 32
        order[i] = order[j]
        order[j] = i
    return order


def dropout_mask(node, step, rows, width):
    sample = (np.uint64(node) << np.uint64(32)) + np.arange(rows, dtype=np.uint64)
    kept = philox(RNG_DROPOUT, step, sample, width // 4) >> np.uint64(31)
    return torch.from_numpy(2 * kept.astype(np.float32))


# ---- images ----

def write_data(folder):
    """Random images as a data set that ward reads, and the test images as pictures."""
    draw = np.random.default_rng(SEED)
    folder.mkdir()
    sets = {}
    for name, count in (("train", BATCH), ("t10k", TESTS)):
        pixels = draw.integers(0, 256, (count, 28, 28), np.uint8)
        labels = draw.integers(0, 10, count, np.uint8)
        labels[:10] = range(10)  # each class is there
        head = b"".join(v.to_bytes(4, "big") for v in (0x803, count, 28, 28))
        (folder / f"{name}-images-idx3-ubyte").write_bytes(head + pixels.tobytes())
        head = b"".join(v.to_bytes(4, "big") for v in (0x801, count))
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(head + labels.tobytes())
        sets[name] = (torch.from_numpy(pixels[:, None].astype(np.float32) / np.float32(255)),
                      torch.from_numpy(labels.astype(np.int64)))
    for i, image in enumerate((255 * sets["t10k"][0]).round().int().tolist()):
        write_png(folder / f"{i:02}.png", 28, 28, 1, lambda x, y, c, p=image[0]: p[y][x])
    return sets


# ---- training ----

def ward_train(ward, folder, arch, method, name, iterations, rate):
    run = folder / name
    command = [ward, "train", "--data", folder / "data", "--arch", arch, "--method", method,
               "--recipe", "paper", "--batch", BATCH, "--seed", SEED, "--validation", 0,
               "--threads", 1, "--iterations", iterations, "--rate", rate, "-q", "--out", run]
    if method != "baseline":
        seed = folder / "seed"
        seed.write_bytes(bytes(32))
        command += ["--secret-seed", seed, "--transform-rate", 1]
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
    return run


def first_losses(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    line = [line for line in lines if "loss_processed" in line][-1]
    return [line[k] for k in ("loss_processed", "loss_raw", "distance") if k in line]


def state(f, g):
    named = dict(f.state_dict())
    if g is not None:
        named.update({"transform." + name: value for name, value in g.state_dict().items()})
    return {name: value.clone() for name, value in named.items() if "num_batches" not in name}


def reset_running(f):
    for module in f.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()


class Replay:
    """What ward trains, again."""

    def __init__(self, f, g, images, labels):
        self.trainer = networks.Trainer(f.double(), g and g.double(), RATE)
        self.images, self.labels = images, labels
        self.node = None  # of dropout in ward's graph, which names its masks

    def batch(self, step, node):
        order = permutation(step, BATCH)
        f = self.trainer.f
        if isinstance(f, networks.SimpleCnn):
            rows = BATCH if self.trainer.g is None else 2 * BATCH
            f.mask = dropout_mask(node, step, rows, 1024)
        return self.images[order].double(), self.labels[order]

    def step(self, step):
        self.trainer.step(*self.batch(step, self.node))
        return state(self.trainer.f, self.trainer.g)

    def error(self, expected, node):
        with torch.no_grad():
            losses = [v for v in self.trainer.losses(*self.batch(0, node)) if v is not None]
        reset_running(self.trainer.f)
        return max(abs(float(a) - b) / abs(b) for a, b in zip(losses, expected))

    def check_losses(self, expected):
        has_dropout = isinstance(self.trainer.f, networks.SimpleCnn)
        errors = {node: self.error(expected, node) for node in range(32 if has_dropout else 1)}
        self.node = min(errors, key=errors.get)
        if not errors[self.node] <= LOSS_TOLERANCE:
            raise Disagreement(f"losses of the first step differ by {errors[self.node]:.2g}")
        return errors[self.node]


def check_step(step, before, expected, found):
    error = {name: float((value - expected[name]).norm()) for name, value in found.items()}
    way = {name: float((expected[name] - before[name]).norm()) for name in found}
    overall = math.hypot(*error.values()) / math.hypot(*way.values())
    worst = max(error, key=lambda name: error[name] / way[name])
    ratio = error[worst] / way[worst]
    if not (overall <= STEP_TOLERANCES[step] and ratio <= WORST_TOLERANCES[step]):
        raise Disagreement(f"weights differ by {overall:.2g} of their way after step {step + 1}, "
                           f"'{worst}' by {ratio:.2g}")
    return {"overall": overall, "worst": ratio}


def check_training(ward, folder, arch, method, images, labels):
    """Returns what was found."""
    run = ward_train(ward, folder, arch, method, f"{arch}-{method}-0", 1, 0)
    f, g = networks.load(run, arch)
    f.train()
    reset_running(f)
    replay = Replay(f, g, images, labels)
    before = state(f, g)
    found = {"losses": replay.check_losses(first_losses(run)), "steps": []}
    for step in range(len(STEP_TOLERANCES)):
        run = ward_train(ward, folder, arch, method, f"{arch}-{method}-{step + 1}", step + 1, RATE)
        after = state(*networks.load(run, arch))
        found["steps"].append(check_step(step, before, after, replay.step(step)))
    return found


# ---- inference ----

def run_to_use(ward, folder, arch):
    """Long enough for running statistics to fit; else logits grow until probabilities are zero."""
    return ward_train(ward, folder, arch, "generator", f"{arch}-to-use", 40, RATE / 10)


def ward_log_probabilities(ward, run, folder, is_raw):
    """Logits less what is common to all of an image's."""
    command = [ward, "predict", run, *sorted(folder.glob("*.png")), "--top", 10, "--json",
               "--threads", 1, *(["--raw"] if is_raw else [])]
    out = json.loads(subprocess.check_output([str(word) for word in command]))
    p = torch.zeros(TESTS, 10, dtype=torch.float64)
    for i, image in enumerate(out["images"]):
        for k in image["predictions"]:
            p[i, k["class"]] = k["probability"]
    return p.log()


def check_logits(name, logits, expected):
    error = float((F.log_softmax(logits.double(), 1) - expected[:len(logits)]).abs().max())
    if not error <= LOGIT_TOLERANCE:
        raise Disagreement(f"logits of {name} differ by {error:.2g}")
    return error
