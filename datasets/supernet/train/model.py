"""The supernet as PyTorch functions: weights under OFA's checkpoint names, sub-networks as slices of them.

A sub-network is OFA's dict {"ks": [...], "e": [...], "d": [...], "r": ...}; ks and e are indexed by position,
max(depths) positions a stage, whether active or not.
"""
import json
import math

import torch
import torch.nn.functional as F

import kernels


def make_divisible(v, divisor=8):
    n = max(divisor, int(v + divisor / 2) // divisor * divisor)
    return n + divisor if n < 0.9 * v else n


class Space:
    """The description that supernet.Space has in Go; the keys are the same."""

    def __init__(self, path):
        with open(path) as f:
            self.spec = s = json.load(f)
        self.name, self.classes, self.eps = s["Name"], s["Classes"], s["BNEps"]
        self.kernels, self.expands, self.depths = s["Kernels"], s["Expands"], s["Depths"]
        self.resolutions, self.stages = s["Resolutions"], s["Stages"]
        self.per_stage = max(self.depths)
        self.positions = self.per_stage * len(self.stages)

    def uniform(self, k, e, d, r):
        return {"ks": [k] * self.positions, "e": [e] * self.positions, "d": [d] * len(self.stages), "r": r}

    def largest(self, r):
        return self.uniform(self.kernels[-1], self.expands[-1], self.depths[-1], r)

    def smallest(self, r):
        return self.uniform(self.kernels[0], self.expands[0], self.depths[0], r)

    def random(self, rng, r, max_depth=None):
        depths = [d for d in self.depths if max_depth is None or d <= max_depth]
        return {
            "ks": [rng.choice(self.kernels) for _ in range(self.positions)],
            "e": [rng.choice(self.expands) for _ in range(self.positions)],
            "d": [rng.choice(depths) for _ in self.stages],
            "r": r,
        }

    def canonical(self, arch):
        """Zeroes what inactive positions say, as supernet.Space.Canonical does."""
        a = json.loads(json.dumps(arch))
        for i, d in enumerate(a["d"]):
            for j in range(d, self.per_stage):
                a["ks"][i * self.per_stage + j] = a["e"][i * self.per_stage + j] = 0
        return a


def _act(x, act):
    return F.relu(x) if act == "relu" else F.hardswish(x) if act == "hswish" else x


class Supernet:
    """Holds the weights in `params`, a dict by checkpoint name, and running statistics in `stats`."""

    def __init__(self, space, seed=0):
        self.space = space
        self.params, self.bns = {}, {}
        self.kinds = {}  # name -> "weight", "bn", "bias" or "matrix", for weight decay
        self.gen = torch.Generator().manual_seed(seed)
        s = space.spec
        self._conv("first_conv.conv.weight", s["StemWidth"], s["InChannels"], 3)
        self._bn("first_conv.bn", s["StemWidth"])
        first, c = s["FirstWidth"], s["StemWidth"]
        self._conv("blocks.0.conv.depth_conv.conv.weight", c, 1, 3)
        self._bn("blocks.0.conv.depth_conv.bn", c)
        self._conv("blocks.0.conv.point_linear.conv.weight", first, c, 1)
        self._bn("blocks.0.conv.point_linear.bn", first)
        c = first
        for i, stage in enumerate(space.stages):
            for j in range(space.per_stage):
                p = "blocks.%d.conv." % (i * space.per_stage + j + 1)
                mid = make_divisible(round(c * space.expands[-1]))
                k = space.kernels[-1]
                self._conv(p + "inverted_bottleneck.conv.conv.weight", mid, c, 1)
                self._bn(p + "inverted_bottleneck.bn.bn", mid)
                self._conv(p + "depth_conv.conv.conv.weight", mid, 1, k)
                for big, small in zip(space.kernels[:0:-1], space.kernels[-2::-1]):
                    name = p + "depth_conv.conv.%dto%d_matrix" % (big, small)
                    self._add(name, torch.eye(small * small), "matrix")
                self._bn(p + "depth_conv.bn.bn", mid)
                if stage["SE"]:
                    se = make_divisible(mid // 4)
                    self._conv(p + "depth_conv.se.fc.reduce.weight", se, mid, 1)
                    self._add(p + "depth_conv.se.fc.reduce.bias", torch.zeros(se), "bias")
                    self._conv(p + "depth_conv.se.fc.expand.weight", mid, se, 1, gain=1)
                    self._add(p + "depth_conv.se.fc.expand.bias", torch.zeros(mid), "bias")
                self._conv(p + "point_linear.conv.conv.weight", stage["Width"], mid, 1)
                # A residual block starts as the identity: depth comes for free.
                self._bn(p + "point_linear.bn.bn", stage["Width"], 0.0 if j > 0 else 1.0)
                c = stage["Width"]
        self._conv("final_expand_layer.conv.weight", s["ExpandWidth"], c, 1)
        self._bn("final_expand_layer.bn", s["ExpandWidth"])
        self._conv("feature_mix_layer.conv.weight", s["MixWidth"], s["ExpandWidth"], 1)
        self._add("classifier.linear.weight", torch.zeros(space.classes, s["MixWidth"]), "weight")
        self._add("classifier.linear.bias", torch.zeros(space.classes), "bias")

    def _add(self, name, tensor, kind):
        self.params[name] = tensor.requires_grad_()
        self.kinds[name] = kind

    def _conv(self, name, out, cin, k, gain=2):
        fan = cin * k * k
        self._add(name, torch.randn(out, cin, k, k, generator=self.gen) * math.sqrt(gain / fan), "weight")

    def _bn(self, name, c, scale=1.0):
        self._add(name + ".weight", torch.full((c,), scale), "bn")
        self._add(name + ".bias", torch.zeros(c), "bn")
        self.bns[name] = (torch.zeros(c), torch.ones(c))

    def kernel(self, p, mid, k):
        """The depthwise weight [mid, 1, k, k]: centre crop, then times the matrix, step by step."""
        w = self.params[p + "depth_conv.conv.conv.weight"][:mid]
        at = self.space.kernels[-1]
        for small in self.space.kernels[-2::-1]:
            if at <= k:
                break
            m = self.params[p + "depth_conv.conv.%dto%d_matrix" % (at, small)]
            cut = (at - small) // 2
            w = w[:, :, cut:at - cut, cut:at - cut].reshape(mid, small * small)
            # As a 1x1 convolution: Debian's PyTorch multiplies matrices with the reference BLAS.
            w = F.conv2d(w[:, :, None, None], m[:, :, None, None]).reshape(mid, 1, small, small)
            at = small
        return w

    def forward(self, x, arch, norm=None):
        """Logits of [N, 1, r, r] grey pictures. norm(name, x, weight, bias, act) replaces training's normalisation."""
        P, s = self.params, self.space
        norm = norm or (lambda name, x, w, b, act: kernels.bn_act(x, w, b, s.eps, act))

        def bn(name, x, act):
            c = x.shape[1]
            return norm(name, x, P[name + ".weight"][:c], P[name + ".bias"][:c], act)

        # The picture is grey: its three channels are equal, so the stem's kernels are added up.
        x = F.conv2d(x, P["first_conv.conv.weight"].sum(1, keepdim=True), stride=s.spec["StemStride"], padding=1)
        x = bn("first_conv.bn", x, s.spec["StemAct"])
        p, inp = "blocks.0.conv.", x
        x = bn(p + "depth_conv.bn", kernels.depthwise(x, P[p + "depth_conv.conv.weight"], 1), s.spec["FirstAct"])
        x = bn(p + "point_linear.bn", F.conv2d(x, P[p + "point_linear.conv.weight"]), "")
        if x.shape == inp.shape:
            x = x + inp
        for i, stage in enumerate(s.stages):
            for j in range(arch["d"][i]):
                pos = i * s.per_stage + j
                x = self._block(x, "blocks.%d.conv." % (pos + 1), stage, arch["ks"][pos], arch["e"][pos], stage["Stride"] if j == 0 else 1, bn)
        x = bn("final_expand_layer.bn", F.conv2d(x, P["final_expand_layer.conv.weight"]), s.spec["HeadAct"])
        x = _act(F.conv2d(x.mean((2, 3), keepdim=True), P["feature_mix_layer.conv.weight"]), s.spec["HeadAct"])
        return F.conv2d(x, P["classifier.linear.weight"][:, :, None, None], P["classifier.linear.bias"]).flatten(1)

    def _block(self, inp, p, stage, k, e, stride, bn):
        P, c, act = self.params, inp.shape[1], stage["Act"]
        mid = make_divisible(round(c * e))
        x = bn(p + "inverted_bottleneck.bn.bn", F.conv2d(inp, P[p + "inverted_bottleneck.conv.conv.weight"][:mid, :c]), act)
        x = bn(p + "depth_conv.bn.bn", kernels.depthwise(x, self.kernel(p, mid, k), stride), act)
        if stage["SE"]:
            se = make_divisible(mid // 4)
            q = p + "depth_conv.se.fc."
            y = F.relu(F.conv2d(x.mean((2, 3), keepdim=True), P[q + "reduce.weight"][:se, :mid], P[q + "reduce.bias"][:se]))
            x = x * F.hardsigmoid(F.conv2d(y, P[q + "expand.weight"][:mid, :se], P[q + "expand.bias"][:mid]))
        x = bn(p + "point_linear.bn.bn", F.conv2d(x, P[p + "point_linear.conv.conv.weight"][:, :mid]), "")
        return x + inp if x.shape == inp.shape else x

    def count(self):
        """Parameters without kernel matrices and running statistics."""
        return sum(p.numel() for n, p in self.params.items() if self.kinds[n] != "matrix")
