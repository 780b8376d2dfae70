"""Recalibration, accuracy and the checkpoint of a trained supernet, with PyTorch's own operators."""
import os
from collections import OrderedDict

import numpy as np
import torch
import torch.nn.functional as F

import data
import model

BATCH = 100


class Recalibrated:
    """A sub-network with batch statistics of its own, by OFA's rule: pictures in order, activations normalised by
    their own batch, mean and biased variance of each batch averaged with the number of pictures as weight."""

    def __init__(self, net, arch, pictures, batch=BATCH):
        self.net, self.arch = net, arch
        sums, total = OrderedDict(), 0

        def observe(name, x, w, b, act):
            rows = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])
            mean = rows.mean(0)
            var = rows.sub(mean).square_().mean(0)
            m = sums.setdefault(name, [torch.zeros(len(mean), dtype=torch.float64), torch.zeros(len(mean), dtype=torch.float64)])
            m[0] += mean.double() * len(x)
            m[1] += var.double() * len(x)
            return model._act(F.batch_norm(x, mean, var, w, b, False, 0, net.space.eps), act)

        with torch.no_grad():
            for x in batches(pictures, arch["r"], batch):
                net.forward(x, arch, observe)
                total += len(x)
        self.stats = OrderedDict((n, ((m / total).float(), (v / total).float())) for n, (m, v) in sums.items())

    def logits(self, x):
        def fixed(name, x, w, b, act):
            c = x.shape[1]
            return model._act(F.batch_norm(x, self.stats[name][0][:c], self.stats[name][1][:c], w, b, False, 0, self.net.space.eps), act)

        with torch.no_grad():
            return self.net.forward(x, self.arch, fixed)


class Plain(Recalibrated):
    """A sub-network with the checkpoint's statistics, those of the largest one."""

    def __init__(self, net, arch, stats):
        self.net, self.arch, self.stats = net, arch, stats


def batches(pictures, r, batch=BATCH):
    small = data.resize(pictures, r)
    for at in range(0, len(small), batch):
        yield data.normalise(small[at:at + batch]).contiguous(memory_format=torch.channels_last)


def predictions(net, pictures):
    return np.concatenate([net.logits(x).argmax(1).numpy() for x in batches(pictures, net.arch["r"])])


def accuracy(net, pictures, labels):
    return float((predictions(net, pictures) == labels).mean())


def load(space, path):
    """The supernet and the statistics that a checkpoint of export holds."""
    tensors = torch.load(path)["state_dict"]
    net = model.Supernet(space)
    for name, p in net.params.items():
        p.data.copy_(tensors[name])
    return net, {n: (tensors[n + ".running_mean"], tensors[n + ".running_var"]) for n in net.bns}


def export(net, largest, calibration, path):
    """Writes {"state_dict": ...} with the statistics of the largest sub-network."""
    stats = Recalibrated(net, largest, calibration).stats
    out = OrderedDict()
    for name, p in net.params.items():
        out[name] = p.detach().contiguous().clone()
    for name, (mean, var) in stats.items():
        out[name + ".running_mean"], out[name + ".running_var"] = mean.clone(), var.clone()
    torch.save({"state_dict": out}, path + ".part")
    os.replace(path + ".part", path)
