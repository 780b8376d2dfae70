#!/usr/bin/env python3
"""Writes families.json: logits, multiply-accumulates and parameters of sub-networks of small
OFA-ProxylessNAS and OFA-ResNet50 supernets with seeded weights, and the batch normalisation
statistics that sub-networks of all three families have after recalibration, computed with PyTorch.

It is an oracle like golden.py, whose weights, pictures and OFA-MobileNetV3 it uses; the same is
needed to run it:

    python3 families.py > families.json
"""

import json

import numpy as np
import torch
import torch.nn.functional as F

from golden import SEED, Net, Weights, image, md, pcg

PROXYLESS_WIDTH, RESNET_WIDTHS, CLASSES = 0.25, (0.1, 0.125, 0.2), 10
KS, ES, DS, RATIOS = (3, 5, 7), (3, 4, 6), (2, 3, 4), (0.2, 0.25, 0.35)


class Recalibrating:
    """Replaces batch normalisation: the batch's own mean and biased variance normalise it. stats
    collects (images, mean, variance) by name; frozen ones are used where given."""

    eps, stats_by_name, frozen = 1e-5, None, None

    def bn(self, x, name, full):
        c = x.shape[1]
        self.params += 2 * c
        g, b = self.w.norm(name, full, "weight")[:c], self.w.norm(name, full, "bias")[:c]
        if self.frozen is not None:
            m, v = self.frozen[name]
        elif self.stats_by_name is not None:
            m, v = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
            self.stats_by_name.setdefault(name, []).append((x.shape[0], m, v))
        else:
            m, v = self.w.norm(name, full, "running_mean")[:c], self.w.norm(name, full, "running_var")[:c]
        shape = (1, -1, 1, 1)
        return (x - m.view(shape)) / torch.sqrt(v.view(shape) + self.eps) * g.view(shape) + b.view(shape)


class MobileNet(Recalibrating, Net):
    def __init__(self, weights, arch):
        Net.__init__(self, weights, None, arch)


class Proxyless(Recalibrating, Net):
    eps = 1e-3

    def __init__(self, weights, arch, width=PROXYLESS_WIDTH):
        Net.__init__(self, weights, None, arch)
        self.width = width

    def forward(self, x):
        w, a = self.w, self.arch
        c = [md(b * self.width) for b in (32, 16, 24, 40, 80, 96, 192, 320, 1280)]
        x = F.relu6(self.bn(self.conv(x, w.weight("first_conv.conv.weight", (c[0], 3, 3, 3), 6), 2), "first_conv.bn", c[0]))
        p = "blocks.0.conv."
        x = self.conv(x, w.weight(p + "depth_conv.conv.weight", (c[0], 1, 3, 3), 6), groups=c[0])
        x = F.relu6(self.bn(x, p + "depth_conv.bn", c[0]))
        x = self.conv(x, w.weight(p + "point_linear.conv.weight", (c[1], c[0], 1, 1), 3))
        x = self.bn(x, p + "point_linear.bn", c[1])
        for s, stride in enumerate((2, 2, 2, 1, 2, 1)):
            for j in range((a["d"] + [1])[s]):
                i = 4 * s + j
                cin, out = c[s + 1 if j == 0 else s + 2], c[s + 2]
                x = self.block(x, f"blocks.{i + 1}.conv.", a["ks"][i], a["e"][i], cin, out, stride if j == 0 else 1)
        x = self.conv(x, w.weight("feature_mix_layer.conv.weight", (c[8], c[7], 1, 1), 6))
        x = F.relu6(self.bn(x, "feature_mix_layer.bn", c[8])).mean((2, 3))
        fc = w.weight("classifier.linear.weight", (CLASSES, c[8]), 3)
        self.macs += fc.numel()
        self.params += fc.numel() + CLASSES
        return x @ fc.T + w.bias("classifier.linear.bias", CLASSES)

    def block(self, x, p, k, e, cin, out, stride):
        full, mid = md(round(cin * 6)), md(round(cin * e))
        y = self.conv(x, self.w.weight(p + "inverted_bottleneck.conv.conv.weight", (full, cin, 1, 1), 6)[:mid])
        y = F.relu6(self.bn(y, p + "inverted_bottleneck.bn.bn", full))
        kernel = self.kernel(self.w.weight(p + "depth_conv.conv.conv.weight", (full, 1, 7, 7), 6)[:mid], p + "depth_conv.conv.", k)
        y = F.relu6(self.bn(self.conv(y, kernel, stride, mid), p + "depth_conv.bn.bn", full))
        y = self.conv(y, self.w.weight(p + "point_linear.conv.conv.weight", (out, full, 1, 1), 3)[:, :mid])
        y = self.bn(y, p + "point_linear.bn.bn", out)
        return x + y if stride == 1 and cin == out else y


class ResNet(Recalibrating, Net):
    def __init__(self, weights, arch, widths=RESNET_WIDTHS):
        Net.__init__(self, weights, None, arch)
        self.widths = widths

    def unit(self, x, p, full_out, full_in, out, k=1, stride=1, gain=6):
        """Convolution and batch normalisation, wrapped as OFA's elastic layers are."""
        weight = self.w.weight(p + ".conv.conv.weight", (full_out, full_in, k, k), gain)[:out, : x.shape[1]]
        return self.bn(self.conv(x, weight, stride), p + ".bn.bn", full_out)

    def forward(self, x):
        a, wide = self.arch, max(self.widths)
        pick = [self.widths[i] for i in a["w"]]
        c, full_c = md(64 * pick[1]), md(64 * wide)
        m, full_m = md(md(64 * pick[0]) // 2), md(full_c // 2)
        x = F.relu(self.unit(x, "input_stem.0", full_m, 3, m, 3, 2))
        if a["d"][0] == 2:
            x = x + F.relu(self.unit(x, "input_stem.1.conv", full_m, full_m, m, 3))
        x = F.relu(self.unit(x, "input_stem.2", full_c, full_m, c, 3))
        x = F.max_pool2d(x, 3, 2, 1)
        first, full_in = 0, full_c
        for s, (base, count, most) in enumerate(((256, 2, 4), (512, 2, 4), (1024, 4, 6), (2048, 2, 4))):
            out, full_out = md(base * pick[s + 2]), md(base * wide)
            for j in range(count + a["d"][s + 1]):
                i, stride = first + j, 2 if s > 0 and j == 0 else 1
                p, mid, full_mid = f"blocks.{i}.", md(round(out * a["e"][i])), md(round(full_out * 0.35))
                y = F.relu(self.unit(x, p + "conv1", full_mid, full_in, mid))
                y = F.relu(self.unit(y, p + "conv2", full_mid, full_mid, mid, 3, stride))
                y = self.unit(y, p + "conv3", full_out, full_mid, out, gain=3)
                if j == 0:
                    x = F.avg_pool2d(x, 2, 2, ceil_mode=True) if stride == 2 else x
                    x = self.unit(x, p + "downsample", full_out, full_in, out, gain=3)
                x, full_in = F.relu(x + y), full_out
            first += most
        x = x.mean((2, 3))
        fc = self.w.weight("classifier.linear.linear.weight", (CLASSES, full_in), 3)[:, : x.shape[1]]
        self.macs += fc.numel()
        self.params += fc.numel() + CLASSES
        return x @ fc.T + self.w.bias("classifier.linear.linear.bias", CLASSES)


def pictures(first, n, r):
    return torch.tensor(np.stack([image(i, r) for i in range(first, first + n)]), dtype=torch.float64)


def rounded(rows):
    return [[float("%.9g" % v) for v in row] for row in rows]


def case(net, weights, arch):
    n = net(weights, arch)
    logits = n.forward(pictures(0, 2, arch["r"]))
    return {"arch": arch, "logits": rounded(logits.tolist()), "macs": n.macs, "params": n.params}


def recalibrated(net, weights, arch, batches):
    """Statistics over pictures in order, in batches: the mean over images of the batches' own."""
    collect = net(weights, arch)
    collect.stats_by_name, at = {}, 0
    for n in batches:
        collect.forward(pictures(at, n, arch["r"]))
        at += n
    frozen, digest = {}, {}
    for name, seen in collect.stats_by_name.items():
        total = sum(n for n, _, _ in seen)
        m, v = (sum(n * s[i] for n, *s in seen) / total for i in range(2))
        frozen[name] = (m, v)
        # First, last and mean over channels, of means and of variances.
        digest[name] = rounded([[m[0], m[-1], m.mean()], [v[0], v[-1], v.mean()]])
    n = net(weights, arch)
    n.frozen = frozen
    return {"arch": arch, "batches": batches, "logits": rounded(n.forward(pictures(0, 2, arch["r"])).tolist()), "statistics": digest}


def mobile_arch(n, r, positions):
    draw = iter(pcg(SEED, n, 2 * positions + 5))
    return {"ks": [KS[next(draw) % 3] for _ in range(positions)], "e": [ES[next(draw) % 3] for _ in range(positions)],
            "d": [DS[next(draw) % 3] for _ in range(5)], "r": r}


def resnet_arch(n, r):
    draw = iter(pcg(SEED, n, 29))
    return {"e": [RATIOS[next(draw) % 3] for _ in range(18)], "d": [next(draw) % 3 for _ in range(5)],
            "w": [next(draw) % 3 for _ in range(6)], "r": r}


def main():
    v3, w, v = Weights(SEED), Weights(SEED), Weights(SEED)  # one each: they cache by name
    extremes = [{"ks": [k] * 21, "e": [e] * 21, "d": [d] * 5, "r": 32} for k, e, d in ((7, 6, 4), (3, 3, 2))]
    proxyless = extremes + [mobile_arch(n, r, 21) for n, r in ((10, 64), (11, 45))]
    extremes = [{"e": [e] * 18, "d": [d] * 5, "w": [i] * 6, "r": 64} for e, d, i in ((0.35, 2, 2), (0.2, 0, 0))]
    resnet = extremes + [resnet_arch(n, r) for n, r in ((20, 72), (21, 100), (22, 33))]
    families = [
        {"space": f"ofa-mbv3-w0.25-c{CLASSES}", "cases": [],
         "recalibrated": recalibrated(MobileNet, v3, mobile_arch(5, 45, 20), [3, 3, 2])},
        {"space": f"ofa-proxyless-w{PROXYLESS_WIDTH}-c{CLASSES}", "cases": [case(Proxyless, w, a) for a in proxyless],
         "recalibrated": recalibrated(Proxyless, w, mobile_arch(12, 45, 21), [3, 3, 2])},
        {"space": "ofa-resnet50-w%s-c%d" % (",".join(map(str, RESNET_WIDTHS)), CLASSES),
         "cases": [case(ResNet, v, a) for a in resnet],
         "recalibrated": recalibrated(ResNet, v, resnet_arch(23, 72), [3, 3, 2])},
    ]
    print('{"seed": %d, "families": [' % SEED)
    print(",\n".join(
        json.dumps({"space": f["space"]})[:-1] + ', "cases": [\n' + ",\n".join("  " + json.dumps(c) for c in f["cases"])
        + '],\n "recalibrated": ' + json.dumps(f["recalibrated"]) + "}" for f in families))
    print("]}")


if __name__ == "__main__":
    with torch.no_grad():
        main()
