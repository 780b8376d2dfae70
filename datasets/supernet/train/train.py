#!/usr/bin/python3
"""Trains the supernet of space.json on Fashion-MNIST and writes a checkpoint under OFA's names.

    ./train.py --out RUN --steps N [--schedule plan]   # start or resume (RUN/state.pth)

Each step trains, on the same pictures, the largest sub-network on the labels, and a random one and the smallest on
the largest's output: the sandwich rule with in-place distillation of Yu et al., "BigNAS", ECCV 2020, section 3.1. The
leading channels belong to every sub-network from the first step on, so that they need no sorting by importance. What
"largest" means grows as the run goes on (PLAN): fewer blocks and lower resolutions first; a block that joins starts as
the identity, its last batch normalisation is zero. Adam with decoupled weight decay, linear warm-up, cosine decay.

One processor core; everything is drawn from --seed, and a resumed run draws what an uninterrupted one would have.
"""
import argparse
import json
import os
import random
import signal
import sys
import time

# One thread, and freed tensors stay mapped: page faults cost a third of the time otherwise. Read at process start.
ENV = {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "8000000000", "MALLOC_TRIM_THRESHOLD_": "16000000000", "MALLOC_TOP_PAD_": "100000000"}
if any(os.environ.get(k) != v for k, v in ENV.items()):
    os.execve(sys.executable, [sys.executable] + sys.argv, dict(os.environ, **ENV))

import numpy as np
import torch
import torch.nn.functional as F

import data
import model
import evaluate

HERE = os.path.dirname(os.path.abspath(__file__))

# From the fraction of all steps on: the deepest stage, and how often each resolution is drawn.
PLAN = [
    (0.00, 2, {16: 40, 20: 30, 24: 30}),
    (0.30, 4, {16: 35, 20: 25, 24: 25, 28: 10, 32: 5}),
    (0.82, 4, {16: 20, 20: 20, 24: 20, 28: 20, 32: 20}),
]


def plan(progress):
    return [p for p in PLAN if p[0] <= progress][-1][1:]


def learning_rate(step, steps, peak, warmup):
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (0.002 + 0.998 * 0.5 * (1 + np.cos(np.pi * (step - warmup) / max(1, steps - warmup))))


def save(path, what):
    torch.save(what, path + ".part")
    os.replace(path + ".part", path)


class Run:
    def __init__(self, o):
        self.o = o
        self.space = model.Space(o.space)
        self.net = model.Supernet(self.space, o.seed)
        self.optimiser()
        self.step, self.cpu = 0, 0.0
        pictures, labels = data.load(o.data)
        ids, held = data.split(labels)
        if o.pictures:
            ids, held = ids[:o.pictures], held[:o.pictures]
        self.train = data.Augmented(pictures[ids], self.space.resolutions, o.shift)
        self.labels = torch.from_numpy(labels[ids].astype(np.int64))
        self.held, self.held_labels = pictures[held], labels[held]
        self.calibration = pictures[ids[:: max(1, len(ids) // 1000)][:1000]]

    def optimiser(self):
        o = self.o
        decay = [p for n, p in self.net.params.items() if self.net.kinds[n] == "weight"]
        rest = [p for n, p in self.net.params.items() if self.net.kinds[n] != "weight"]
        self.sgd = torch.optim.SGD([{"params": decay, "weight_decay": o.decay}, {"params": rest, "weight_decay": 0}], lr=o.lr, momentum=0.9, nesterov=True)

    def plan(self):
        progress = self.step / self.o.steps
        if self.o.init:  # the shallow part is over
            progress = PLAN[1][0] + (1 - PLAN[1][0]) * progress
        depth, share = plan(progress)
        if self.o.shares:
            share = {int(r): float(w) for r, w in (pair.split(":") for pair in self.o.shares.split(","))}
        return min(depth, self.space.depths[-1]), share

    def state(self):
        return {"params": {n: p.detach() for n, p in self.net.params.items()}, "sgd": self.sgd.state_dict(), "step": self.step, "cpu": self.cpu}

    def restore(self, s):
        for n, p in self.net.params.items():
            p.data.copy_(s["params"][n])
        self.sgd.load_state_dict(s["sgd"])
        self.step, self.cpu = s["step"], s["cpu"]

    def ids(self, step):
        """The pictures of a step: passes over all of them, each in an order of its own."""
        n, b = len(self.labels), self.o.batch
        per_epoch = n // b
        epoch, at = divmod(step, per_epoch)
        if getattr(self, "_epoch", None) != epoch:
            self._epoch, self._order = epoch, np.random.RandomState(self.o.seed + epoch).permutation(n)
        return self._order[at * b:(at + 1) * b]

    def train_step(self):
        o, space, net = self.o, self.space, self.net
        rng, numbers = random.Random(o.seed * 1000003 + self.step), np.random.RandomState(o.seed * 7919 + self.step)
        depth, share = self.plan()
        draw = lambda: rng.choices(list(share), list(share.values()))[0]
        ids = self.ids(self.step)
        labels, drawn = self.labels[torch.from_numpy(ids)], self.train.draw(numbers, len(ids))
        largest = dict(space.largest(draw()), d=[depth] * len(space.stages))
        small = space.smallest(16 if rng.random() < 0.7 else draw())
        others = []
        if self.step % o.smallest_every == 0:
            others.append(("smallest", small))
        if self.step % o.random_every == o.random_every - 1:
            others.append(("random", space.random(rng, draw(), depth)))
        for g in self.sgd.param_groups:
            g["lr"] = learning_rate(self.step, o.steps, o.lr, o.warmup)
        self.sgd.zero_grad(set_to_none=True)
        logits = net.forward(self.train.batch(ids, drawn, largest["r"]), largest)
        loss = F.cross_entropy(logits, labels, label_smoothing=o.smoothing)
        loss.backward()
        soft = logits.detach().softmax(1)
        losses = {"largest": loss.item()}
        for name, arch in others:
            y = net.forward(self.train.batch(ids, drawn, arch["r"]), arch)
            loss = -(soft * y.log_softmax(1)).sum(1).mean()
            (o.student * loss).backward()
            losses[name] = loss.item()
        self.sgd.step()
        self.step += 1
        losses["right"] = (logits.detach().argmax(1) == labels).float().mean().item()
        return losses

    def check(self):
        """Selection accuracy of a few sub-networks after recalibration, on the first 1,000 held-out pictures."""
        depth, _ = self.plan()
        largest = dict(self.space.largest(24), d=[depth] * len(self.space.stages))
        parts = []
        for name, arch in (("smallest@16", self.space.smallest(16)), ("largest@24", largest)):
            net = evaluate.Recalibrated(self.net, arch, self.calibration[:300])
            parts.append("%s %.2f%%" % (name, 100 * evaluate.accuracy(net, self.held[:1000], self.held_labels[:1000])))
        return ", ".join(parts)

    def export(self, path):
        evaluate.export(self.net, self.space.largest(32), self.calibration, path)

    def go(self):
        o = self.o
        began, last = time.process_time() - self.cpu, time.time()
        seen = {"largest": [], "smallest": [], "random": [], "right": []}
        while self.step < o.steps and self.step < (o.stop or o.steps):
            for name, value in self.train_step().items():
                seen[name].append(value)
            self.cpu = time.process_time() - began
            if self.step % o.log == 0 or self.step == o.steps:
                mean = {name: np.mean(values) if values else float("nan") for name, values in seen.items()}
                print("step %d/%d epoch %.2f lr %.5f loss largest %.3f smallest %.3f random %.3f batch top-1 %.2f%% cpu %.0f s wall %s" % (
                    self.step, o.steps, self.step * o.batch / len(self.labels), self.sgd.param_groups[0]["lr"], mean["largest"], mean["smallest"],
                    mean["random"], 100 * mean["right"], self.cpu, time.strftime("%H:%M:%S")), flush=True)
                seen = {name: [] for name in seen}
            if time.time() - last > o.save_every or self.step == o.steps:
                save(os.path.join(o.out, "state.pth"), self.state())
                last = time.time()
            if self.step % o.check == 0:
                print("  selection:", self.check(), flush=True)
                self.export(os.path.join(o.out, "supernet.pth"))
                self.cpu = time.process_time() - began
        save(os.path.join(o.out, "state.pth"), self.state())
        self.export(os.path.join(o.out, "supernet.pth"))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", required=True, help="folder of the run: state.pth (to resume), supernet.pth (the checkpoint)")
    p.add_argument("--space", default=os.path.join(HERE, "space.json"))
    p.add_argument("--data", default=data.FOLDER)
    p.add_argument("--steps", type=int, required=True, help="of the whole run")
    p.add_argument("--init", default="", help="checkpoint to start from instead of random weights; everything is trained from the first step on")
    p.add_argument("--shares", default="", help="how often each resolution is drawn, 16:1,20:2,..., instead of the plan's")
    p.add_argument("--stop", type=int, default=0, help="stop after so many steps, to be resumed")
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--lr", type=float, default=0.4)
    p.add_argument("--warmup", type=int, default=100)
    p.add_argument("--decay", type=float, default=3e-5)
    p.add_argument("--smoothing", type=float, default=0.0)
    p.add_argument("--student", type=float, default=0.5, help="weight of the distillation losses")
    p.add_argument("--smallest-every", type=int, default=1, help="steps between those that train the smallest sub-network")
    p.add_argument("--random-every", type=int, default=2, help="the same for a random one")
    p.add_argument("--shift", type=float, default=0.0, help="largest shift of a picture, as a share of its side")
    p.add_argument("--pictures", type=int, default=0, help="train on the first so many only, to try something out; 0: all")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--log", type=int, default=20)
    p.add_argument("--check", type=int, default=400)
    p.add_argument("--save-every", type=float, default=120, help="seconds")
    o = p.parse_args()
    torch.set_num_threads(1)
    os.makedirs(o.out, exist_ok=True)
    run = Run(o)
    if o.init:
        run.net = evaluate.load(run.space, o.init)[0]
        run.optimiser()
    path = os.path.join(o.out, "state.pth")
    if os.path.exists(path):
        run.restore(torch.load(path))
        print("resumed at step", run.step)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: setattr(o, "stop", 1))  # after the step that runs; the state is saved
    print(json.dumps(vars(o)), "parameters", run.net.count(), flush=True)
    run.go()


if __name__ == "__main__":
    main()
