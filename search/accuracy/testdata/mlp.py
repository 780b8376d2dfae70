#!/usr/bin/python3
"""Writes mlp.pth, a small accuracy predictor with seeded weights, and mlp.json, what PyTorch predicts
with it for seeded architectures. Usage: mlp.py DIR. Written for torch 1.13.

The encoding of an architecture is written here a second time, after OFA's description and not after the
Go code.
"""
import json
import os
import random
import sys

import torch

torch.manual_seed(11)
model = torch.nn.Sequential(torch.nn.Linear(128, 12), torch.nn.ReLU(), torch.nn.Linear(12, 7), torch.nn.ReLU(),
                            torch.nn.Linear(7, 1))
with torch.no_grad():
    model[0].weight.mul_(2)
    model[4].bias.fill_(0.6)

rng = random.Random(11)
rows = []
for n in range(24):
    arch = {"ks": [rng.choice([3, 5, 7]) for _ in range(20)], "e": [rng.choice([3, 4, 6]) for _ in range(20)],
            "d": [rng.choice([2, 3, 4]) for _ in range(5)], "r": [112, 127, 128, 239][n] if n < 4 else rng.randrange(112, 240)}
    features = torch.zeros(128, dtype=torch.float64)
    for stage, depth in enumerate(arch["d"]):
        for block in range(depth):
            position = 4 * stage + block
            features[3 * position + [3, 5, 7].index(arch["ks"][position])] = 1
            features[60 + 3 * position + [3, 4, 6].index(arch["e"][position])] = 1
    features[120 + (arch["r"] - 112) // 16] = 1
    rows.append({"arch": arch, "accuracy": model.double()(features).item()})

torch.save(model.float().state_dict(), os.path.join(sys.argv[1], "mlp.pth"))
with open(os.path.join(sys.argv[1], "mlp.json"), "w") as f:
    f.write("[\n " + ",\n ".join(json.dumps(r) for r in rows) + "\n]\n")
