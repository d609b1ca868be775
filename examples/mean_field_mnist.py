"""A network of three layers learns features in the mean-field limit, and none in the kernel limit: two digits of MNIST.

    python examples/mean_field_mnist.py MNIST.npz [--widths 32 ... 1024] [--figure mean_field_mnist.png]

Two networks with two hidden layers of tanh learn to tell fours from nines by gradient descent on the squared error, until it
has fallen to a tenth of that of the answer zero, at each of several widths. In the mean-field scaling (Pham & Nguyen, "Global
convergence of three-layer neural networks in the mean field regime", ICLR 2021, arXiv:2105.05228) layers average over
neurons. Independent centred weights would then give hidden layers that vanish with the width, so the weights at the start
are functions of labels that are drawn for each neuron, a neuronal embedding. The twin has the NTK scaling and independent
standard normal weights (Jacot et al. 2018, arXiv:1806.07572).

Shown are how far first-layer weights move, relative to their size at the start, and the centred alignment (Cortes et al.
2012) of the kernel of the last hidden layer with the labels, before and after. By default one core needs about
a minute and a half.
"""

import argparse
import math
import pathlib
import sys
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from nnlimits import datasets, mean_field, nn, plots, training
from nnlimits.plots.style import COLORS, legend, new_figure, plain_logarithmic, title

WIDTHS = (32, 64, 128, 256, 512, 1024)
DIGITS, EXAMPLES, LABEL_SIZE = (4, 9), 300, 8
TARGET = 0.05
"""Half the mean squared error at which training ends; labels are -1 and 1."""
STEPS = np.arange(0, 2001, 10)
RATES = {"mean field": 0.2, "NTK": 3.0}


class Learned(NamedTuple):
    """What one network did in training."""

    width: int
    steps: int
    movement: float
    """Of the first layer's weights: the norm of the change over that at the start."""
    alignment: tuple[float, float]
    """Of the last hidden layer's kernel with the labels, before and after."""


def two_digits(file: pathlib.Path, examples: int = EXAMPLES) -> tuple[np.ndarray, np.ndarray]:
    """Centred images of mean square norm 1, and labels -1 and 1."""
    data = datasets.read_arrays(file)
    rows = np.flatnonzero(np.isin(data["ytrain"], DIGITS))[:examples]
    x = data["Xtrain"][rows].reshape(examples, -1).astype(np.float32)
    x -= x.mean(0)
    y = np.where(data["ytrain"][rows] == DIGITS[1], 1.0, -1.0).astype(np.float32)
    return x / np.sqrt((x**2).sum(1).mean()), y[:, None]


def embedding(x: np.ndarray) -> mean_field.Embedding:
    """First-layer weights that combine the principal directions of the data by a label, and smooth functions of labels."""
    _, sizes, directions = np.linalg.svd(x, full_matrices=False)
    whitened = (directions / sizes[:, None])[:LABEL_SIZE].T * math.sqrt(len(x) / LABEL_SIZE)

    def second(source: jax.Array, target: jax.Array) -> jax.Array:
        return 4 * jnp.sin(source @ target / math.sqrt(LABEL_SIZE)) + target[0]

    law = mean_field.gaussian(LABEL_SIZE)
    functions = [lambda label: jnp.asarray(whitened) @ label, second, lambda label: label[:1]]
    return mean_field.Embedding([law, law], functions, [nn.Tanh(), nn.Tanh()])


def alignment(features: jax.Array, y: jax.Array) -> float:
    """`<K, y y^T> / (|K| |y y^T|)` for centred `K`, the Gram matrix of features (n, width), and centred labels."""
    h, z = (np.asarray(part, np.float64) - np.mean(np.asarray(part, np.float64), 0) for part in (features, y))
    return float((z.T @ h @ (h.T @ z)).item() / (np.linalg.norm(h @ h.T) * (z**2).sum()))


def in_the_mean_field(x: np.ndarray, y: np.ndarray, width: int, seed: int) -> Learned:
    start = embedding(x).sample(jax.random.key(seed), (width, width))
    end, steps = start, 0
    for steps in STEPS:
        if steps:
            course = mean_field.layered_descent(end, x, y, RATES["mean field"], [int(STEPS[1])])
            end = course.at(end, -1)
        if loss(end(x), y) < TARGET:
            break
    found = alignment(start.hidden(x)[-1], y), alignment(end.hidden(x)[-1], y)
    return Learned(width, int(steps), movement(start.weights[0], end.weights[0]), found)


def in_the_ntk_scaling(x: np.ndarray, y: np.ndarray, width: int, seed: int) -> Learned:
    hidden = (nn.Dense(width, b_std=None), nn.Tanh())
    x = x * math.sqrt(x.shape[1])  # its first layer divides by this root
    network = nn.Sequential(*hidden * 2, nn.Dense(1, b_std=None), parameterization="ntk")
    features = nn.Sequential(*hidden * 2, parameterization="ntk")
    start = network.init(jax.random.key(seed), x.shape[1:])
    end, steps = start, 0
    for steps in STEPS:
        if steps:
            problem = training.Problem(network, end, x, y)
            course = training.descent(problem, RATES["NTK"], [int(STEPS[1])])
            end = jax.tree.map(lambda part: part[-1], course.observed)
        if loss(network.apply(end, x), y) < TARGET:
            break
    found = alignment(features.apply(start[:-1], x), y), alignment(features.apply(end[:-1], x), y)
    return Learned(width, int(steps), movement(start[0]["weight"], end[0]["weight"]), found)


NETWORKS = {"mean field": in_the_mean_field, "NTK": in_the_ntk_scaling}


def loss(outputs: jax.Array, y: np.ndarray) -> float:
    return float(jnp.square(outputs - y).mean() / 2)


def movement(start: jax.Array, end: jax.Array) -> float:
    return float(jnp.linalg.norm(end - start) / jnp.linalg.norm(start))


def slope(found: list[Learned]) -> float:
    """The exponent of the width in the movement, by least squares on logarithms."""
    return float(np.polyfit(np.log([f.width for f in found]), np.log([f.movement for f in found]), 1)[0])


def table(found: dict[str, list[Learned]]) -> Table:
    result = Table(title="Until the loss has fallen to a tenth")
    for name in ("scaling", "width", "steps", "movement of the first layer", "alignment before", "after"):
        result.add_column(name, justify="left" if name == "scaling" else "right")
    for name, rows in found.items():
        for row in rows:
            values = row.movement, *row.alignment
            result.add_row(name, str(row.width), str(row.steps), *(f"{value:.4f}" for value in values))
        result.add_row("", "", "", f"~ width^{slope(rows):.2f}", "", "")
        result.add_section()
    return result


def draw(found: dict[str, list[Learned]]) -> Figure:
    figure, axes = new_figure(1, 2, width=10.4, height=4.2)
    moved, aligned = axes[0]
    for name, color in (("mean field", COLORS["orange"]), ("NTK", COLORS["blue"])):
        rows = found[name]
        widths = [row.width for row in rows]
        moved.plot(widths, [row.movement for row in rows], "o-", color=color, label=f"{name}: slope {slope(rows):.2f}")
        for end, style in enumerate(("o:", "o-")):
            label = f"{name}, {('before', 'after')[end]}"
            aligned.plot(widths, [row.alignment[end] for row in rows], style, color=color, label=label)
    moved.set(xscale="log", yscale="log", xlabel="width", ylabel="relative movement of first-layer weights")
    aligned.set(xscale="log", xlabel="width", ylabel="alignment of the last hidden kernel", ylim=(0, 1))
    for axis in (moved, aligned):
        axis.set_xscale("log", base=2)
        axis.set_xticks(widths, [str(width) for width in widths])
        axis.minorticks_off()
        legend(axis)
    plain_logarithmic(moved.yaxis)
    title(moved, "Features move at any width, or ever less")
    title(aligned, "The kernel turns to the labels, or stays")
    return figure


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=pathlib.Path, help="MNIST as an .npz file")
    parser.add_argument("--widths", nargs="+", type=int, default=list(WIDTHS), metavar="WIDTH")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--figure", type=pathlib.Path, default=pathlib.Path("mean_field_mnist.png"))
    options = parser.parse_args(arguments)
    x, y = two_digits(options.file)
    console, found = Console(), {}
    with console.status("training") as status:
        for name, learn in NETWORKS.items():
            found[name] = []
            for width in sorted(options.widths):
                status.update(f"{name}, width {width}")
                found[name].append(learn(x, y, width, options.seed))
    console.print(table(found))
    console.print(f"wrote {plots.save(draw(found), options.figure)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
