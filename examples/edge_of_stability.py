"""Gradient descent at the edge of stability: a tanh network on CIFAR-10 images.

    python examples/edge_of_stability.py IMAGES.npz --folder results
    python examples/edge_of_stability.py IMAGES.npz --side 32 --width 200

The largest eigenvalue of the loss's Hessian rises until it reaches 2 / learning rate, and stays about there while the loss goes
on falling, up and down (Cohen et al. 2021). Images are averaged down to `--side` pixels; learning rates are given as the
multiple of the first sharpness at which their edge lies. The file holds images (n, 32, 32, 3) and labels, under `--names`.
"""

import argparse
import time
from pathlib import Path

import jax
import numpy as np

from nnlimits import nn, plots, training

SMALL = 3**-0.5
"""Scale of the weights: outputs start small, and the network learns features, which sharpens the loss."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("--train", type=int, default=1000)
    parser.add_argument("--side", type=int, default=8)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--edges", type=float, nargs="+", default=[2.0, 3.0, 4.5])
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("--names", nargs=2, default=["Xtrain", "ytrain"])
    options = parser.parse_args()
    x, y = load(options)
    hidden = [layer for _ in range(2) for layer in (nn.Dense(options.width, w_std=SMALL), nn.Tanh())]
    network = nn.Sequential(*hidden, nn.Dense(10, w_std=SMALL), parameterization="standard")
    problem = training.Problem(network, network.init(jax.random.key(0), x.shape[1:]), x, y)
    first = training.phases(problem, jax.random.key(1)).sharpness
    print(f"{len(x)} images, {x.shape[1]} pixels; sharpness before training {first:.4g}")
    runs = []
    for edge in options.edges:
        start, rate = time.perf_counter(), 2 / (edge * first)
        track = training.track_sharpness(problem, rate, options.steps, jax.random.key(2), every=options.every)
        runs.append(plots.Sharpening(rate, track.losses, track.steps, track.sharpness[:, 0]))
        late = track.sharpness[len(track.steps) // 2 :, 0] * rate
        print(
            f"learning rate {rate:.4g}: sharpness times learning rate over the second half {late.mean():.3f} "
            f"(from {late.min():.3f} to {late.max():.3f}), loss {track.losses[0]:.4f} -> {track.losses[-1]:.5f}, "
            f"{time.perf_counter() - start:.0f} s"
        )
    saved = plots.save(
        plots.edge_of_stability(runs, loss="half the mean squared error"), options.folder / "edge_of_stability"
    )
    print(f"figure: {saved}")


def load(options) -> tuple[np.ndarray, np.ndarray]:
    """Images averaged to fewer pixels, each pixel standardised, and one-hot targets of mean zero."""
    with np.load(options.images) as file:
        x, labels = (file[name][: options.train] for name in options.names)
    block = x.shape[1] // options.side
    x = x.reshape(len(x), options.side, block, options.side, block, -1).mean((2, 4)).reshape(len(x), -1)
    x = (x - x.mean(0)) / x.std(0)
    return x.astype(np.float32), (np.eye(10)[labels.ravel()] - 0.1).astype(np.float32)


if __name__ == "__main__":
    main()
