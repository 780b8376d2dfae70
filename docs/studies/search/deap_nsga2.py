"""DEAP's NSGA-II on the problem that study_test.go exports: the peer of the comparison.

Usage: deap_nsga2.py PROBLEM.json EVALUATIONS SEED

Settings: population 100, uniform crossover with probability 0.9 (each gene 0.5), each gene redrawn with probability
1.5/46, selTournamentDCD, selNSGA2. The front is that of everything evaluated (an unbounded archive), as for ours. One
evaluation is one predictor output; an individual evaluated before is looked up and not counted. Predictions are
batched per generation (float32, numpy). Prints JSON: hypervolume, evaluations, CPU-seconds, versions.
"""
import json
import random
import sys
import time

import deap
import numpy as np
from deap import base, creator, tools

STAGES, DEPTH, BLOCKS = 5, 4, 20


def load(path):
    with open(path) as f:
        p = json.load(f)
    p["cells"] = np.array(p["cells"])  # resolution, position, kernel, expand: ms
    p["fixed"] = np.array(p["fixed"])
    p["layers"] = [(np.array(w, np.float32).reshape(shape), np.array(b, np.float32)) for w, shape, b in p["layers"]]
    return p


def predict(p, x):
    """Latency in ms and accuracy of genomes x (depths, kernels, expands, resolution), one per row."""
    depth = x[:, :STAGES] + 2
    k, e, r = x[:, STAGES:STAGES + BLOCKS], x[:, STAGES + BLOCKS:STAGES + 2 * BLOCKS], x[:, -1]
    active = np.arange(BLOCKS) % DEPTH < np.repeat(depth, DEPTH, axis=1)
    pos = np.arange(BLOCKS)[None, :]
    latency = p["fixed"][r] + np.where(active, p["cells"][r[:, None], pos, k, e], 0).sum(1)
    n = len(x)
    features = np.zeros((n, 128), np.float32)
    rows = np.repeat(np.arange(n), BLOCKS).reshape(n, BLOCKS)
    features[rows[active], (pos * 3 + k)[active]] = 1
    features[rows[active], (60 + pos * 3 + e)[active]] = 1
    features[np.arange(n), 120 + (np.array(p["resolutions"])[r] - 112) // 16] = 1
    y = features
    for i, (w, b) in enumerate(p["layers"]):
        y = y @ w.T + b
        if i + 1 < len(p["layers"]):
            y = np.maximum(y, 0)
    return latency, y[:, 0]


def canonical(g):
    g = list(g)
    for b in range(BLOCKS):
        if b % DEPTH >= g[b // DEPTH] + 2:
            g[STAGES + b] = g[STAGES + BLOCKS + b] = 0
    return tuple(g)


def hypervolume(points, reference):
    area, edge = 0.0, reference[1]
    for latency, accuracy in sorted(points, key=lambda p: (p[0], -p[1])):
        if latency < reference[0] and accuracy > edge:
            area += (reference[0] - latency) * (accuracy - edge)
            edge = accuracy
    return area


def main():
    p = load(sys.argv[1])
    budget, seed = int(sys.argv[2]), int(sys.argv[3])
    random.seed(seed)
    choices = [3] * (STAGES + 2 * BLOCKS) + [len(p["resolutions"])]
    if p["check"]:
        latency, accuracy = predict(p, np.array(p["check"]["genomes"]))
        assert np.allclose(latency, p["check"]["latency_ms"], rtol=1e-9), "latencies differ"
        assert np.allclose(accuracy, p["check"]["accuracy"], atol=1e-5), "accuracies differ"
    creator.create("Fitness", base.Fitness, weights=(-1.0, 1.0))
    creator.create("Individual", list, fitness=creator.Fitness)
    toolbox = base.Toolbox()
    toolbox.register("individual", lambda: creator.Individual(random.randrange(c) for c in choices))
    known = {}

    def evaluate(population):
        fresh = list(dict.fromkeys(c for c in map(canonical, population) if c not in known))[:budget - len(known)]
        if fresh:
            for g, l, a in zip(fresh, *predict(p, np.array(fresh))):
                known[g] = (float(l), float(a))
        for individual in population:
            individual.fitness.values = known.get(canonical(individual), (1e9, 0.0))

    def mutate(g):
        for i, c in enumerate(choices):
            if random.random() < 1.5 / len(choices):
                g[i] = random.randrange(c)

    start = time.process_time()
    population = [toolbox.individual() for _ in range(100)]
    evaluate(population)
    population = tools.selNSGA2(population, 100)
    while len(known) < budget:
        children = [toolbox.clone(i) for i in tools.selTournamentDCD(population, 100)]
        for a, b in zip(children[::2], children[1::2]):
            if random.random() < 0.9:
                tools.cxUniform(a, b, 0.5)
            mutate(a)
            mutate(b)
        evaluate(children)
        population = tools.selNSGA2(population + children, 100)
    print(json.dumps({"hypervolume": hypervolume(known.values(), p["reference"]), "evaluations": len(known),
                      "cpu_seconds": time.process_time() - start,
                      "versions": f"DEAP {deap.__version__}, numpy {np.__version__}, Python {sys.version.split()[0]}"}))


main()
