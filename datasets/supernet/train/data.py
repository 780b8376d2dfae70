"""Fashion-MNIST for training: IDX files, the split, PIL's resize, augmentation."""
import gzip
import math
import os

import numpy as np
import torch

FOLDER = "/usr/share/datasets/fashion-mnist"  # Debian's dataset-fashion-mnist
MEAN, STD = 0.2860, 0.3530  # of the training images, samples in [0,1]; the same for all three channels
SPLIT_SEED = 20240607
HELD_OUT_PER_CLASS = 500


def read_idx(path):
    with gzip.open(path) as f:
        raw = f.read()
    dims = [int.from_bytes(raw[4 + 4 * i:8 + 4 * i], "big") for i in range(raw[3])]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(dims)


def load(folder=FOLDER, part="train"):
    """Pictures [N, 28, 28] and labels of "train" (60,000) or "t10k" (10,000)."""
    return (read_idx(os.path.join(folder, part + "-images-idx3-ubyte.gz")),
            read_idx(os.path.join(folder, part + "-labels-idx1-ubyte.gz")))


def split(labels):
    """Ascending indices of the 55,000 pictures to train on and of the class-balanced 5,000 for selection."""
    rng = np.random.RandomState(SPLIT_SEED)  # MT19937: the same numbers with every numpy
    held = np.concatenate([rng.permutation(np.flatnonzero(labels == c))[:HELD_OUT_PER_CLASS] for c in range(10)])
    held.sort()
    return np.setdiff1d(np.arange(len(labels)), held), held


def _taps(size, r):
    """PIL's antialiased bilinear weights in 8-bit fixed point: [r, size] integers with 22 fractional bits."""
    scale = size / r
    support = max(scale, 1.0)
    m = np.zeros((r, size), np.int64)
    for i in range(r):
        centre = (i + 0.5) * scale
        lo, hi = max(int(centre - support + 0.5), 0), min(int(centre + support + 0.5), size)
        w = [max(0.0, 1 - abs((x - centre + 0.5) / support)) for x in range(lo, hi)]
        total = sum(w)
        m[i, lo:hi] = [math.floor(0.5 + v / total * (1 << 22)) for v in w]
    return m


def resize(pictures, r):
    """Pictures [N, s, s] as Image.resize((r, r), BILINEAR) makes them: rows first, rounded to 8 bits after each pass."""
    size = pictures.shape[-1]
    if size == r:
        return pictures
    taps = _taps(size, r)
    out = np.empty((len(pictures), r, r), np.uint8)
    for at in range(0, len(pictures), 4096):
        p = pictures[at:at + 4096].astype(np.float64)  # exact: below 2^53
        for _ in range(2):  # columns, then rows
            p = np.matmul(p, taps.T.astype(np.float64))
            p = np.clip((p.astype(np.int64) + (1 << 21)) >> 22, 0, 255).astype(np.float64).transpose(0, 2, 1)
        out[at:at + 4096] = p
    return out


def normalise(pictures):
    """[N, r, r] bytes to a [N, 1, r, r] tensor in the order of operations of torchvision (and of dynofa)."""
    x = torch.from_numpy(np.array(pictures)).float().div_(255)[:, None]
    return x.sub_(MEAN).div_(STD)


class Augmented:
    """Pictures at every resolution with flips, and shifts of up to a share of the side on a black border."""

    def __init__(self, pictures, resolutions, shift):
        self.cache = {}
        for r in resolutions:
            pad = round(r * shift)
            self.cache[r] = pad, np.pad(resize(pictures, r), ((0, 0), (pad, pad), (pad, pad)))

    def draw(self, rng, n):
        """n random (flip, down, right), to be applied at any resolution."""
        return rng.random_sample((n, 3))

    def batch(self, ids, drawn, r):
        pad, p = self.cache[r]
        flip = drawn[:, 0] < 0.5
        down, right = ((drawn[:, 1:] * (2 * pad + 1)).astype(int)).T
        at = np.arange(r)
        ys = down[:, None] + at
        xs = np.where(flip[:, None], right[:, None] + r - 1 - at, right[:, None] + at)
        return normalise(p[ids[:, None, None], ys[:, :, None], xs[:, None, :]])
