"""Codebooks of pairs of independent standard normal numbers that lose the least squared error: Lloyd's
iteration on a fine grid of weighted points, from spirals of which the best counts."""
import sys
import numpy as np
import torch

SIDE = 500
REACH = 5.5
LATTICE = np.linspace(-REACH, REACH, SIDE)
POINTS = torch.from_numpy(np.stack(np.meshgrid(LATTICE, LATTICE), -1).reshape(-1, 2))
WEIGHTS = torch.exp(-POINTS.square().sum(1) / 2)
WEIGHTS /= WEIGHTS.sum()


def spiral(count, turn):
    """Points that lie as dense as the best ones: as a normal distribution of twice the variance."""
    k = np.arange(count)
    radius = np.sqrt(-4 * np.log(1 - (k + 0.5) / count)) * 0.9
    angle = k * turn
    return torch.from_numpy(np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1))


def step(centres):
    labels = torch.empty(len(POINTS), dtype=torch.long)
    lost = 0.0
    for i in range(0, len(POINTS), 1 << 14):
        part = POINTS[i:i + (1 << 14)]
        near = torch.argmax(2 * part @ centres.T - centres.square().sum(1), 1)
        labels[i:i + (1 << 14)] = near
        lost += ((part - centres[near]).square().sum(1) * WEIGHTS[i:i + (1 << 14)]).sum().item()
    mass = torch.zeros(len(centres), dtype=torch.float64).index_add_(0, labels, WEIGHTS)
    sums = torch.zeros_like(centres).index_add_(0, labels, POINTS * WEIGHTS[:, None])
    return sums / mass.clamp_min(1e-300)[:, None], lost / 2


def lloyd(centres, iterations):
    for i in range(iterations):
        new, lost = step(centres)
        far = 1.6 if i < iterations - 60 else 1.0
        centres = centres + far * (new - centres)
    return step(centres)[0], lost


torch.set_num_threads(1)
book = {}
golden = np.pi * (3 - np.sqrt(5))
for bits, starts, its in ((2, 8, 250), (3, 6, 300), (4, 1, 350)):
    best = None
    rng = np.random.default_rng(bits)
    for s in range(starts):
        c = spiral(4 ** bits, golden)
        if s:
            c = c + torch.from_numpy(rng.normal(scale=0.3, size=c.shape))
        c, lost = lloyd(c, its)
        print(bits, s, lost, file=sys.stderr, flush=True)
        if best is None or lost < best[1]:
            best = (c, lost)
    order = np.lexsort((best[0][:, 1], best[0][:, 0]))
    book[bits] = [[round(float(x), 6) for x in p] for p in best[0].numpy()[order]]
lines = [f"  \"{bits}\": {[x for point in points for x in point]}" for bits, points in book.items()]
with open(sys.argv[1], "w") as file:
    file.write("{\n" + ",\n".join(lines) + "\n}\n")
