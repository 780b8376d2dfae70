#!/usr/bin/python3
"""Writes the subsets of Fashion-MNIST in this folder, the same bytes each time: ./make.py [FOLDER OF THE FULL SET]

Class-balanced and seeded, in the order of the full files: 2,000 test pictures, 2,000 of the 5,000 held out from
training (selection.txt names those) and 1,000 training pictures for the recalibration of batch normalisation. Needs
what the training tool needs, whose split this is.
"""
import gzip
import os
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "supernet", "train"))
import data  # noqa: E402

SEED = 20240608


def balanced(labels, among, per_class):
    rng = np.random.RandomState(SEED)
    return np.sort(np.concatenate([rng.permutation(among[labels[among] == c])[:per_class] for c in range(10)]))


def write(name, array):
    """An IDX file of bytes, compressed without a time stamp."""
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    with open(os.path.join(HERE, name), "wb") as f, gzip.GzipFile("", "wb", 9, f, mtime=0) as z:
        z.write(head + array.tobytes())


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else data.FOLDER
    pictures, labels = data.load(folder)
    train, held = data.split(labels)
    with open(os.path.join(HERE, "selection.txt"), "w") as f:
        f.writelines("%d\n" % i for i in held)
    test_pictures, test_labels = data.load(folder, "t10k")
    for name, p, l, among, n in (
        ("test", test_pictures, test_labels, np.arange(len(test_labels)), 200),
        ("selection", pictures, labels, held, 200),
        ("calibration", pictures, labels, train, 100),
    ):
        ids = balanced(l, among, n)
        write(name + "-images-idx3-ubyte.gz", p[ids])
        write(name + "-labels-idx1-ubyte.gz", l[ids])


if __name__ == "__main__":
    main()
