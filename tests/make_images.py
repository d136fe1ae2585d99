"""Write small grey or RGB PNG files with nothing but the standard library.

make_images.py folder DIR CLASSES TRAIN TEST [SIZE]   a data set: DIR/train/CLASS/N.png, DIR/test/...
make_images.py idx DIR CLASSES TRAIN TEST [SIZE]      the same pictures as the four files of MNIST
make_images.py image FILE WIDTH HEIGHT CHANNELS       one picture
"""

import os
import random
import struct
import sys
import zlib


def chunk(kind, data):
    body = kind + data
    return struct.pack('>I', len(data)) + body + struct.pack('>I', zlib.crc32(body))


def write_png(path, width, height, channels, pixel):
    colour = {1: 0, 3: 2}[channels]
    rows = b''.join(
        b'\0' + bytes(pixel(x, y, c) for x in range(width) for c in range(channels))
        for y in range(height))
    header = struct.pack('>IIBBBBB', width, height, 8, colour, 0, 0, 0)
    with open(path, 'wb') as file:
        file.write(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) +
                   chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))


def pattern(draw, classes, k):
    """Class k has its own brightness gradient, with noise: learnable, not trivial."""
    return lambda x, y, c: (x * (k + 1) * 17 + y * (classes - k) * 11 + draw.randrange(60)) % 256


def write_folder(folder, classes, train, test, size):
    draw = random.Random(1)
    for split, count in (('train', train), ('test', test)):
        for k in range(classes):
            place = os.path.join(folder, split, 'class%d' % k)
            os.makedirs(place)
            for i in range(count):
                write_png(os.path.join(place, '%03d.png' % i), size, size, 1,
                          pattern(draw, classes, k))


def write_idx(folder, classes, train, test, size):
    draw = random.Random(1)
    os.makedirs(folder)
    for split, count in (('train', train), ('t10k', test)):
        labels = [i % classes for i in range(count * classes)]
        pixels = bytearray()
        for k in labels:
            pixel = pattern(draw, classes, k)
            pixels += bytes(pixel(x, y, 0) for y in range(size) for x in range(size))
        with open(os.path.join(folder, split + '-images-idx3-ubyte'), 'wb') as file:
            file.write(struct.pack('>IIII', 0x803, len(labels), size, size) + pixels)
        with open(os.path.join(folder, split + '-labels-idx1-ubyte'), 'wb') as file:
            file.write(struct.pack('>II', 0x801, len(labels)) + bytes(labels))


def main(argv):
    if argv[1] in ('folder', 'idx'):
        write = {'folder': write_folder, 'idx': write_idx}[argv[1]]
        write(argv[2], *(int(a) for a in argv[3:6]), int(argv[6]) if len(argv) > 6 else 8)
    else:
        width, height, channels = (int(a) for a in argv[3:6])
        write_png(argv[2], width, height, channels,
                  lambda x, y, c: (x * 7 + y * 5 + c * 90) % 256)


if __name__ == '__main__':
    main(sys.argv)
