"""
The tables that a key gives, worked out from docs/formats.md alone; an independent check of
src/protect/keyed_tables.c and src/train/lock.c. Prints the SHA-256 of each table of the case in test_keyed.c, and the first
values of two rows of a dense matrix; and what follows from a lock key. Needs nothing but Python.
"""
import hashlib
import json
import math
import pathlib
import struct

KEY = bytes(range(32))
CHANNELS, HEIGHT, WIDTH = 2, 8, 8
CODEBOOK, SHUFFLE, NEGATIVE, SIGMA, P, LOW, HIGH, ROUNDS = 6, 4, 0.25, 0.5, 0.2, -1.0, 3.0, 4
DENSE = 16


def chacha20_block(key, counter):
    def rotate(x, n):
        return (x << n | x >> (32 - n)) & 0xFFFFFFFF

    def quarter(s, a, b, c, d):
        for first, second, turn in ((a, d, 16), (c, b, 12), (a, d, 8), (c, b, 7)):
            other = {(a, d): b, (c, b): d}[first, second]
            s[first] = (s[first] + s[other]) & 0xFFFFFFFF
            s[second] = rotate(s[second] ^ s[first], turn)

    start = list(struct.unpack("<4I", b"expand 32-byte k")) + list(struct.unpack("<8I", key))
    start += [counter, 0, 0, 0]
    s = list(start)
    for _ in range(10):
        for columns in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                        (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            quarter(s, *columns)
    return struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(s, start)))


def single(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


class Draw:
    def __init__(self, label):
        self.key = hashlib.blake2b(label.encode(), digest_size=32, key=KEY).digest()
        self.words, self.counter = [], 0

    def u32(self):
        if not self.words:
            self.words = list(struct.unpack("<16I", chacha20_block(self.key, self.counter)))
            self.counter += 1
        return self.words.pop(0)

    def uniform(self):
        return (self.u32() >> 8) / 2.0 ** 24

    def normal(self):
        a, b = self.u32(), self.u32()
        radius = math.sqrt(-2 * math.log(((a >> 8) + 1) / 2 ** 24))
        return single(radius * math.cos(2 * math.pi * (b >> 8) / 2 ** 24))

    def below(self, n):
        while True:
            product = self.u32() * n
            if product % 2 ** 32 >= 2 ** 32 % n:
                return product >> 32

    def order(self, n):
        values = list(range(n))
        for i in range(n - 1, 0, -1):
            j = self.below(i + 1)
            values[i], values[j] = values[j], values[i]
        return values


def codebook(layer, factor):
    draw = Draw(f"ward/keyed/codebook/{layer}/v1")
    return [single(factor) * draw.normal() for _ in range(CODEBOOK * CHANNELS * HEIGHT * WIDTH)]


def shuffle():
    across, blocks = WIDTH // SHUFFLE, HEIGHT // SHUFFLE * (WIDTH // SHUFFLE)
    inside = [(c, h, w) for c in range(CHANNELS) for h in range(SHUFFLE) for w in range(SHUFFLE)]

    def place(block, value):
        c, h, w = inside[value]
        return (c * HEIGHT + block // across * SHUFFLE + h) * WIDTH + block % across * SHUFFLE + w

    draw, table = Draw("ward/keyed/shuffle/v1"), [0] * (CHANNELS * HEIGHT * WIDTH)
    sources = draw.order(blocks)
    for block in range(blocks):
        for value, source in enumerate(draw.order(len(inside))):
            table[place(block, value)] = place(sources[block], source)
    return table


def negative():
    draw = Draw("ward/keyed/negative/v1")
    return [-1 if draw.uniform() < NEGATIVE else 1 for _ in range(CHANNELS * HEIGHT * WIDTH)]


def pattern():
    draw, table = Draw("ward/keyed/pattern/v1"), []
    p = single(P)
    for sign in negative():
        u = draw.uniform()
        table.append((SIGMA if u < p else -SIGMA if u < 2 * p else 0)
                     + (LOW + HIGH if sign < 0 else 0))
    return table


def signs(number):
    draw = Draw(f"ward/keyed/cascade/{number}/signs/v1")
    return [-1 if draw.u32() & 1 else 1 for _ in range(CHANNELS * HEIGHT * WIDTH)]


def dense():
    draw = Draw("ward/keyed/dense/v1")
    rows = [[draw.normal() for _ in range(DENSE)] for _ in range(DENSE)]
    for i, row in enumerate(rows):
        length = math.sqrt(sum(v * v for v in row))
        row[:] = [v / length for v in row]
        for other in rows[i + 1:]:
            along = sum(a * b for a, b in zip(row, other))
            other[:] = [b - along * a for a, b in zip(row, other)]
    return rows


def show(name, values):
    data = struct.pack(f"<{len(values)}f", *values)
    print(f'    {{"{name}", "{hashlib.sha256(data).hexdigest()}"}},')


values = CHANNELS * HEIGHT * WIDTH
show("codebook.sides.weight", codebook("sides", 16 / math.sqrt(values)))
show("codebook.patterns.weight", codebook("patterns", 1 / math.sqrt(CODEBOOK)))
show("shuffle", shuffle())
show("negative", negative())
show("pattern", pattern())
for round_number in range(1, ROUNDS + 1):
    count = CHANNELS * HEIGHT * WIDTH
    show(f"order{round_number}", Draw(f"ward/keyed/cascade/{round_number}/order/v1").order(count))
    show(f"signs{round_number}", signs(round_number))
print("first and last row of a dense matrix:")
for chosen in (dense()[0], dense()[-1]):
    print("   ", ", ".join(f"{v:.9f}" for v in chosen[:4]))

# The lock key of test_key_file.c and test_lock.c: its fingerprint, and what a network takes from it.
print("fingerprint:", hashlib.blake2b(b"ward-key/v1/lock", digest_size=32, key=KEY).hexdigest())
settings = json.loads((pathlib.Path(__file__).parent / "lock_settings.json").read_text())
settings.update({"data": "fashion-mnist", "from": settings["from_digest"],
                 "teacher": settings["teacher_digest"], "checkpoint_seconds": 0.0})
for name in ("owner", "recipients", "lock", "teacher_splits"):
    del settings[name]
digest = hashlib.sha256(json.dumps(settings, indent=2).encode()).hexdigest()
print("settings:", digest)
lock = Draw(f"ward/lock/1x28x28/10/{digest}/v2")
print("key:", struct.pack("<8I", *(lock.u32() for _ in range(8))).hex())
