#!/usr/bin/python3
"""Tests of the training tool: ./test_train.py (half a minute of processor time)."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import torch
import torch.nn.functional as F

import data
import kernels
import model

HERE = os.path.dirname(os.path.abspath(__file__))


def off(a, b):
    return float((a - b).abs().max() / b.abs().max())


@unittest.skipIf(kernels._lib is None, "no C compiler")
class Kernels(unittest.TestCase):
    """kernels.c computes what PyTorch's operators do, and their gradients."""

    def compare(self, fast, slow, inputs):
        gradient = torch.randn_like(slow(*inputs))
        for a, b in zip([fast(*inputs), *torch.autograd.grad(fast(*inputs), inputs, gradient)],
                        [slow(*inputs), *torch.autograd.grad(slow(*inputs), inputs, gradient)]):
            self.assertLess(off(a, b), 1e-5)

    def test_depthwise(self):
        torch.manual_seed(1)
        for c, size, k, s in ((24, 9, 7, 1), (40, 9, 5, 2), (40, 8, 5, 2), (16, 14, 7, 2), (72, 5, 3, 2), (8, 7, 3, 1), (96, 2, 7, 1), (8, 1, 3, 2)):
            x, w = torch.randn(3, c, size, size, requires_grad=True), torch.randn(c, 1, k, k, requires_grad=True)
            self.compare(lambda x, w: kernels.depthwise(x, w, s), lambda x, w: F.conv2d(x, w, stride=s, padding=k // 2, groups=c), [x, w])

    def test_bn_act(self):
        torch.manual_seed(2)
        for act in ("", "relu", "hswish"):
            x = (2 * torch.randn(5, 24, 9, 9) + 3).requires_grad_()
            w, b = torch.randn(24, requires_grad=True), torch.randn(24, requires_grad=True)
            self.compare(lambda *a: kernels.bn_act(*a, 1e-5, act),
                         lambda x, w, b: model._act(F.batch_norm(x, None, None, w, b, True, 0.0, 1e-5), act), [x, w, b])


@unittest.skipUnless(os.path.isdir(data.FOLDER), "Fashion-MNIST is not installed")
class Run(unittest.TestCase):
    SPACE = {"Name": "tiny", "InChannels": 3, "Classes": 10, "Kernels": [3, 5], "Expands": [1, 2], "Depths": [1, 2], "Resolutions": [16, 20, 24, 28, 32],
             "StemWidth": 8, "StemStride": 2, "StemAct": "hswish", "FirstWidth": 8, "FirstAct": "relu",
             "Stages": [{"Width": 16, "Stride": 2, "Act": "relu", "SE": True}], "ExpandWidth": 16, "MixWidth": 16, "HeadAct": "hswish", "BNEps": 1e-5}

    def train(self, out, *args):
        space = os.path.join(out, "space.json")
        with open(space, "w") as f:
            json.dump(self.SPACE, f)
        subprocess.run([sys.executable, os.path.join(HERE, "train.py"), "--out", out, "--space", space, "--pictures", "320", "--batch", "32",
                        "--steps", "14", "--warmup", "2", "--smallest-every", "2", *args], check=True, stdout=subprocess.DEVNULL)
        return torch.load(os.path.join(out, "supernet.pth"))["state_dict"]

    def test_resumed_run_is_the_same(self):
        with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
            whole = self.train(a)
            self.train(b, "--stop", "5")
            parts = self.train(b)
            self.assertEqual(list(whole), list(parts))
            for name in whole:
                self.assertTrue(torch.equal(whole[name], parts[name]), name)
                self.assertTrue(torch.isfinite(whole[name]).all(), name)

    def test_split(self):
        labels = data.load()[1]
        train, held = data.split(labels)
        self.assertEqual((len(train), len(held), len(np.intersect1d(train, held))), (55000, 5000, 0))
        self.assertEqual(np.bincount(labels[held]).tolist(), [500] * 10)


if __name__ == "__main__":
    torch.set_num_threads(1)
    unittest.main()
