#!/usr/bin/python3
"""Writes what PyTorch computes for a few sub-networks of a checkpoint, for the tests of deploy/eval:

    ./golden.py CHECKPOINT > ../../../deploy/eval/testdata/fashion_golden.json

Logits of the first pictures of the built-in test subset, with the checkpoint's statistics and with those re-estimated
on the first pictures of the built-in calibration subset. Depthwise convolutions and normalisation are PyTorch's own.
"""
import hashlib
import json
import os
import random
import sys

import torch

import data
import evaluate
import kernels
import model

HERE = os.path.dirname(os.path.abspath(__file__))
SUBSETS = os.path.join(HERE, "..", "..", "images", "fashion")
IMAGES, CALIBRATION, BATCH = 4, 110, 50


def main():
    torch.set_num_threads(1)
    kernels._lib = None
    space = model.Space(os.path.join(HERE, "space.json"))
    with open(sys.argv[1], "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()
    net, stats = evaluate.load(space, sys.argv[1])
    pictures = data.read_idx(os.path.join(SUBSETS, "test-images-idx3-ubyte.gz"))[:IMAGES]
    calibration = data.read_idx(os.path.join(SUBSETS, "calibration-images-idx3-ubyte.gz"))[:CALIBRATION]
    rng = random.Random(3)
    archs = [space.largest(32), space.smallest(16)] + [space.random(rng, r) for r in space.resolutions]
    cases = []
    for arch in archs:
        arch = space.canonical(arch)
        x = next(evaluate.batches(pictures, arch["r"]))
        # Seven digits are all that float32 holds.
        rows = lambda y: [[float("%.7g" % v) for v in row] for row in y.tolist()]
        cases.append({
            "arch": arch,
            "logits": rows(evaluate.Plain(net, arch, stats).logits(x)),
            "recalibrated": rows(evaluate.Recalibrated(net, arch, calibration, BATCH).logits(x)),
        })
    out = {"checkpoint_sha256": digest, "space": space.name, "images": IMAGES, "calibration": CALIBRATION, "batch": BATCH}
    print(json.dumps(out)[:-1] + ', "cases": [\n' + ",\n".join(json.dumps(c) for c in cases) + "\n]}")


if __name__ == "__main__":
    main()
