"""The best learning rate of a narrow network is the best of a wide one: under muP, and not in the standard parameterization.

    python examples/mup_transfer.py MNIST.npz [--widths 64 256 1024] [--figure mup_transfer.png]

The protocol is that of Yang et al., "Tensor Programs V: tuning large neural networks via zero-shot hyperparameter transfer"
(NeurIPS 2021, arXiv:2203.03466), figure 3, small: a ReLU network with three hidden layers is trained by Adam, at each width
of a range and at each learning rate of a grid with factors of two, and the training loss at the end is compared. The two
parameterizations differ in nothing else; each network is trained on the same batches, from its own seeds.

MNIST.npz holds images `Xtrain` (n, 28, 28) and their labels `ytrain`. By default one core needs about nine minutes.
"""

import argparse
import math
import pathlib
import sys
from collections.abc import Callable, Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from nnlimits import datasets, nn, plots
from nnlimits.plots.style import legend, new_figure, plain_logarithmic, sequence, title
from nnlimits.training import optimizer

WIDTHS = (64, 128, 256, 512, 1024)
RATES = {"standard": range(-13, -4), "mup": range(-6, 3)}
"""Logarithms to base 2 of the learning rates."""
EXAMPLES, BATCH, STEPS, SEEDS = 12800, 64, 200, 2


def network(width: int, parameterization: str) -> nn.Sequential:
    """Both parameterizations start as the same functions at width 64; beyond, the outputs of muP start smaller."""
    hidden = (nn.Dense(width, w_std=math.sqrt(2)), nn.Relu())
    readout = nn.Dense(10, w_std=math.sqrt(WIDTHS[0]) if parameterization == "mup" else 1.0)
    return nn.Sequential(*hidden * 3, readout, parameterization=parameterization)


def cross_entropy(net: nn.Layer, params, x: jax.Array, labels: jax.Array) -> jax.Array:
    return optax.softmax_cross_entropy_with_integer_labels(net.apply(params, x), labels).mean()


@partial(jax.jit, static_argnums=0)
def train(net: nn.Layer, params, learning_rate: jax.Array, x: jax.Array, labels: jax.Array) -> jax.Array:
    """The loss on all examples, after one pass of Adam over them with a learning rate that falls to zero."""
    update = optimizer(net, x.shape[1:], "adam", optax.linear_schedule(learning_rate, 0.0, STEPS))

    def step(carry, batch):
        params, state = carry
        gradient = jax.grad(partial(cross_entropy, net))(params, *batch)
        moves, state = update.update(gradient, state, params)
        return (optax.apply_updates(params, moves), state), None

    batches = x.reshape(STEPS, BATCH, -1), labels.reshape(STEPS, BATCH)
    (params, _), _ = jax.lax.scan(step, (params, update.init(params)), batches)
    return cross_entropy(net, params, x, labels)


def sweep(
    x: jax.Array, labels: jax.Array, widths: list[int], seeds: int, advance: Callable[[str], None]
) -> Iterator[tuple[str, int, np.ndarray]]:
    """For each parameterization and width: its name, the width, and the final losses (learning rates, seeds)."""
    for parameterization, rates in RATES.items():
        for width in widths:
            net = network(width, parameterization)
            losses = np.zeros((len(rates), seeds))
            for seed in range(seeds):
                params = net.init(jax.random.key(seed), x.shape[1:])
                for i, rate in enumerate(rates):
                    losses[i, seed] = train(net, params, jnp.float32(2.0**rate), x, labels)
                    advance(f"{parameterization}, width {width}")
            yield parameterization, width, np.where(np.isfinite(losses), losses, np.inf)


def best(losses: np.ndarray, rates: range) -> int:
    """The logarithm to base 2 of the learning rate with the least mean loss over seeds."""
    return rates[int(np.argmin(losses.mean(1)))]


def table(found: dict[str, dict[int, np.ndarray]]) -> Table:
    """The best learning rate at each width, its loss, and the loss at the rate that was best at the smallest width."""
    result = Table(title="Final training loss, mean over seeds")
    for name in ("parameterization", "width", "best rate", "its loss", "loss at the narrowest's best rate"):
        result.add_column(name, justify="left" if name == "parameterization" else "right")
    for parameterization, by_width in found.items():
        rates = RATES[parameterization]
        transferred = best(by_width[min(by_width)], rates)
        for width, losses in by_width.items():
            mean, own = losses.mean(1), best(losses, rates)
            values = (f"{mean[rates.index(rate)]:.4f}" for rate in (own, transferred))
            result.add_row(parameterization, str(width), f"2^{own}", *values)
        result.add_section()
    return result


def draw(found: dict[str, dict[int, np.ndarray]]) -> Figure:
    figure, axes = new_figure(1, len(found), width=5.2 * len(found), height=4.3, sharey=True)
    titles = {"standard": "Standard: the best rate falls with the width", "mup": "muP: the best rate stays"}
    for axis, (parameterization, by_width) in zip(axes[0], found.items(), strict=True):
        rates = 2.0 ** np.array(RATES[parameterization])
        for color, (width, losses) in zip(sequence(len(by_width)), by_width.items(), strict=True):
            mean = losses.mean(1)
            shown = np.where(np.isfinite(mean), mean, np.nan)
            axis.plot(rates, shown, color=color, label=f"width {width}")
            least = int(np.argmin(mean))
            axis.plot(rates[least], mean[least], "o", color=color, markersize=8, markeredgecolor="black")
        axis.set_xscale("log", base=2)
        axis.set(yscale="log", xlabel="learning rate of Adam", ylim=(None, 3.0))
        title(axis, titles[parameterization])
    axes[0, 0].set_ylabel("training loss at the end")
    plain_logarithmic(axes[0, 0].yaxis)
    legend(axes[0, 0], loc="upper right")
    return figure


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=pathlib.Path, help="MNIST as an .npz file")
    parser.add_argument("--widths", nargs="+", type=int, default=list(WIDTHS), metavar="WIDTH")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--figure", type=pathlib.Path, default=pathlib.Path("mup_transfer.png"))
    options = parser.parse_args(arguments)
    data = datasets.read_arrays(options.file)
    images = data["Xtrain"][:EXAMPLES].reshape(EXAMPLES, -1).astype(np.float32)
    x = jnp.asarray((images - images.mean()) / images.std())
    labels = jnp.asarray(data["ytrain"][:EXAMPLES].astype(np.int32))
    console = Console()
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    found: dict[str, dict[int, np.ndarray]] = {}
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=sum(map(len, RATES.values())) * len(options.widths) * options.seeds)
        losses = sweep(
            x, labels, sorted(options.widths), options.seeds, lambda what: bar.update(task, advance=1, description=what)
        )
        for parameterization, width, values in losses:
            found.setdefault(parameterization, {})[width] = values
    console.print(table(found))
    console.print(f"wrote {plots.save(draw(found), options.figure)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
