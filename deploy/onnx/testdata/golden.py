#!/usr/bin/env python3
"""Writes golden.json: logits, multiply-accumulates and parameters of sub-networks of a small
OFA-MobileNetV3 supernet with seeded weights, computed with PyTorch.

This is an oracle for deploy/onnx. It shares no code with it and follows the paper (Cai et al.,
"Once-for-All", ICLR 2020) and the published behaviour of the authors' code. The weights are
those of deploy/onnx's RandomWeights, from the formula in its documentation, so that no weight
file is needed. Needs Python 3.9, PyTorch 1.13 or newer and NumPy:

    python3 golden.py > golden.json
"""

import json
import math

import numpy as np
import torch
import torch.nn.functional as F

SEED = 20250722
WIDTH, CLASSES, BN_EPS = 0.25, 10, 1e-5
MASK64, MASK128 = (1 << 64) - 1, (1 << 128) - 1


def md(v):
    """make_divisible(v, 8)"""
    n = max(8, int(v + 4) // 8 * 8)
    return n + 8 if n < 0.9 * v else n


def fnv1a(name):
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001B3 & MASK64
    return h


def pcg(seed, stream, n):
    """n draws of Go's math/rand/v2 PCG: a 128-bit LCG with the DXSM output function."""
    state, out = seed << 64 | stream, []
    for _ in range(n):
        state = (state * 0x2360ED051FC65DA44385DF649FCCF645 + 0x5851F42D4C957F2D14057B7EF767814F) & MASK128
        hi, lo = state >> 64, state & MASK64
        hi = hi ^ hi >> 32
        hi = hi * 0xDA942042E4DD58B5 & MASK64
        hi = hi ^ hi >> 48
        out.append(hi * (lo | 1) & MASK64)
    return out


def uniform(seed, name, shape, lo, hi):
    u = np.array([x >> 40 for x in pcg(seed, fnv1a(name), math.prod(shape))], dtype=np.float64) / (1 << 24)
    return (lo + u * (hi - lo)).reshape(shape)


class Weights:
    """The supernet's tensors, made when asked for."""

    def __init__(self, seed):
        self.seed, self.cache = seed, {}

    def get(self, name, shape, lo, hi, eye=False):
        if name not in self.cache:
            v = uniform(self.seed, name, shape, lo, hi)
            if eye:
                v = v + np.eye(shape[0])
            self.cache[name] = torch.tensor(v.astype(np.float32), dtype=torch.float64)
        return self.cache[name]

    def weight(self, name, shape, gain):
        bound = math.sqrt(gain / math.prod(shape[1:]))
        return self.get(name, shape, -bound, bound)

    def bias(self, name, n):
        return self.get(name, (n,), -0.1, 0.1)

    def norm(self, name, n, part):
        lo, hi = (0.5, 1.5) if part in ("weight", "running_var") else (-0.1, 0.1)
        return self.get(name + "." + part, (n,), lo, hi)


def act(kind, x):
    return {"relu": F.relu, "hswish": F.hardswish, None: lambda v: v}[kind](x)


class Net:
    """One sub-network; counts multiply-accumulates (of the first picture) and parameters."""

    def __init__(self, weights, statistics, arch):
        self.w, self.stats, self.arch, self.macs, self.params = weights, statistics, arch, 0, 0

    def conv(self, x, weight, stride=1, groups=1):
        y = F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2, groups=groups)
        self.macs += weight.numel() * y.shape[2] * y.shape[3]
        self.params += weight.numel()
        return y

    def bn(self, x, name, full):
        c = x.shape[1]
        g, b = self.w.norm(name, full, "weight")[:c], self.w.norm(name, full, "bias")[:c]
        if self.stats is None:
            m, v = self.w.norm(name, full, "running_mean")[:c], self.w.norm(name, full, "running_var")[:c]
        else:  # statistics of the sub-network itself: tensors of the active width
            m, v = self.stats.norm(name, c, "running_mean"), self.stats.norm(name, c, "running_var")
        self.params += 2 * c
        return F.batch_norm(x, m, v, g, b, training=False, eps=BN_EPS)

    def kernel(self, weight, prefix, k):
        """The centre 5x5 of the 7x7 times a matrix; for 3x3 the centre of that result times another."""
        for big, small in ((7, 5), (5, 3)):
            if k < big and weight.shape[-1] == big:
                m = self.w.get(f"{prefix}{big}to{small}_matrix", (small**2, small**2), -0.1, 0.1, eye=True)
                flat = weight[:, :, 1:-1, 1:-1].reshape(weight.shape[0], -1)
                weight = (flat @ m.T).reshape(-1, 1, small, small)
        return weight

    def mbconv(self, x, block, k, e, full_in, out, stride, kind, se):
        p = f"blocks.{block}.conv."
        cin = x.shape[1]
        full, mid = md(round(full_in * 6)), md(round(cin * e))
        w = self.w.weight(p + "inverted_bottleneck.conv.conv.weight", (full, full_in, 1, 1), 6)[:mid, :cin]
        y = act(kind, self.bn(self.conv(x, w), p + "inverted_bottleneck.bn.bn", full))
        w = self.w.weight(p + "depth_conv.conv.conv.weight", (full, 1, 7, 7), 6)[:mid]
        w = self.kernel(w, p + "depth_conv.conv.", k)
        y = act(kind, self.bn(self.conv(y, w, stride, mid), p + "depth_conv.bn.bn", full))
        if se:
            full_se, small = md(full // 4), md(mid // 4)
            q = p + "depth_conv.se.fc."
            z = y.mean((2, 3), keepdim=True)
            z = self.conv(z, self.w.weight(q + "reduce.weight", (full_se, full, 1, 1), 6)[:small, :mid])
            z = F.relu(z + self.w.bias(q + "reduce.bias", full_se)[:small].view(1, -1, 1, 1))
            z = self.conv(z, self.w.weight(q + "expand.weight", (full, full_se, 1, 1), 3)[:mid, :small])
            z = z + self.w.bias(q + "expand.bias", full)[:mid].view(1, -1, 1, 1)
            y = y * (F.relu6(z + 3) / 6)
            self.params += small + mid
        w = self.w.weight(p + "point_linear.conv.conv.weight", (out, full, 1, 1), 3)[:, :mid]
        y = self.bn(self.conv(y, w), p + "point_linear.bn.bn", out)
        return x + y if stride == 1 and cin == out else y

    def forward(self, x):
        w, a = self.w, self.arch
        c = [md(b * WIDTH) for b in (16, 16, 24, 40, 80, 112, 160, 960, 1280)]
        x = self.conv(x, w.weight("first_conv.conv.weight", (c[0], 3, 3, 3), 6), stride=2)
        x = act("hswish", self.bn(x, "first_conv.bn", c[0]))
        p = "blocks.0.conv."
        y = self.conv(x, w.weight(p + "depth_conv.conv.weight", (c[0], 1, 3, 3), 6), groups=c[0])
        y = act("relu", self.bn(y, p + "depth_conv.bn", c[0]))
        y = self.conv(y, w.weight(p + "point_linear.conv.weight", (c[1], c[0], 1, 1), 3))
        x = x + self.bn(y, p + "point_linear.bn", c[1])
        strides, acts = (2, 2, 2, 1, 2), ("relu", "relu", "hswish", "hswish", "hswish")
        for s in range(5):
            for j in range(a["d"][s]):
                i = 4 * s + j
                x = self.mbconv(x, i + 1, a["ks"][i], a["e"][i], c[s + 1] if j == 0 else c[s + 2], c[s + 2],
                                strides[s] if j == 0 else 1, acts[s], s in (1, 3, 4))
        x = self.conv(x, w.weight("final_expand_layer.conv.weight", (c[7], c[6], 1, 1), 6))
        x = act("hswish", self.bn(x, "final_expand_layer.bn", c[7])).mean((2, 3), keepdim=True)
        x = act("hswish", self.conv(x, w.weight("feature_mix_layer.conv.weight", (c[8], c[7], 1, 1), 6)))
        fc = w.weight("classifier.linear.weight", (CLASSES, c[8]), 3)
        self.macs += fc.numel()
        self.params += fc.numel() + CLASSES
        return x.flatten(1) @ fc.T + w.bias("classifier.linear.bias", CLASSES)


def image(i, r):
    """The formula of the golden pictures, in float64, rounded to float32 once."""
    c, h, w = np.meshgrid(np.arange(3.0), np.arange(float(r)), np.arange(float(r)), indexing="ij")
    v = np.sin(0.37 * (c + 1) * (h + 1) / (1 + 0.1 * i) + 0.23 * (w + 1) * (i + 1) / (1 + c))
    return (v + 0.5 * np.cos(0.05 * (h * w + 1) * (c + 1) + i)).astype(np.float32)


def uniform_arch(k, e, d, r):
    return {"ks": [k] * 20, "e": [e] * 20, "d": [d] * 5, "r": r}


def random_arch(n, r):
    draw = iter(pcg(SEED, n, 45))
    return {"ks": [(3, 5, 7)[next(draw) % 3] for _ in range(20)], "e": [(3, 4, 6)[next(draw) % 3] for _ in range(20)],
            "d": [(2, 3, 4)[next(draw) % 3] for _ in range(5)], "r": r}


def main():
    weights = Weights(SEED)
    todo = [(uniform_arch(7, 6, 4, 32), None), (uniform_arch(3, 3, 2, 32), None), (uniform_arch(5, 4, 3, 48), None)]
    todo += [(random_arch(n, r), None) for n, r in ((1, 64), (2, 45), (3, 32))]
    todo += [(random_arch(4, 40), SEED + 1)]  # batch normalisation with other statistics
    cases = []
    for arch, seed in todo:
        x = torch.tensor(np.stack([image(i, arch["r"]) for i in range(2)]), dtype=torch.float64)
        net = Net(weights, None if seed is None else Weights(seed), arch)
        logits = [[float("%.9g" % v) for v in row] for row in net.forward(x).tolist()]
        case = {"arch": arch, "logits": logits, "macs": net.macs, "params": net.params}
        if seed is not None:
            case["statistics_seed"] = seed
        cases.append(case)
    head = {"space": f"ofa-mbv3-w{WIDTH}-c{CLASSES}", "seed": SEED, "width_mult": WIDTH, "n_classes": CLASSES}
    text = ",\n".join("    " + json.dumps(c) for c in cases)
    print(json.dumps(head)[:-1] + ',\n  "cases": [\n' + text + "\n  ]}")


if __name__ == "__main__":
    with torch.no_grad():
        main()
