"""How deep a tanh network trains, and how deep theory says that it does (after Schoenholz et al. 2017, figure 5).

    python examples/trainable_depth.py IMAGES.npz --figure trainable_depth.png

The file holds arrays of images and labels, under the names given by `--names`. Networks of each depth and each scale of their
weights, all in the standard parameterization with biases of variance 0.05, are trained by stochastic gradient descent for a
few hundred steps; the figure shows the training accuracy that they reach at the better of two learning rates, and over it six
times the depth scale of correlations. About nine minutes on one core.
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from rich.progress import track

from nnlimits import nn, plots, presets, signal

B_STD = 0.05**0.5
WIDTH = 128
BATCH = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("--names", nargs=2, default=["Xtrain", "ytrain"])
    parser.add_argument("--train", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--depths", type=int, nargs="+", default=list(range(10, 90, 10)))
    parser.add_argument("--variances", type=float, nargs="+", default=list(np.linspace(1, 3, 11)))
    parser.add_argument("--learning-rates", type=float, nargs="+", default=[1e-3, 3e-3])
    parser.add_argument("--figure", type=Path, default=Path("trainable_depth.png"))
    options = parser.parse_args()
    x, labels = load(options)
    variances = np.asarray(options.variances)
    reached = np.stack(
        [
            np.max([accuracies(depth, variances, x, labels, options.steps, rate) for rate in options.learning_rates], 0)
            for depth in track(options.depths, "training")
        ]
    )
    fine = np.linspace(variances[0], variances[-1], 60)
    net = presets.mlp(3, activation=nn.Tanh())
    points = signal.phase_diagram(net, np.sqrt(fine), [B_STD, 2 * B_STD]).points
    figure = plots.trainable_depth(variances, options.depths, reached, (fine, points.trainable_depth[0]))
    print(f"saved: {plots.save(figure, options.figure)}")
    for depth, row in zip(options.depths, reached, strict=True):
        print(f"depth {depth:4d}: " + " ".join(f"{value:.2f}" for value in row))


def load(options) -> tuple[np.ndarray, np.ndarray]:
    """Flat images in float32 of mean zero and unit variance, and labels."""
    with np.load(options.images) as file:
        x, labels = (file[name][: options.train] for name in options.names)
    x = x.reshape(len(x), -1).astype(np.float32)
    return (x - x.mean()) / x.std(), labels.astype(np.int32)


def accuracies(depth: int, variances: np.ndarray, x: np.ndarray, labels: np.ndarray, steps: int, rate: float):
    """Training accuracies of networks of one depth, one for each variance of the weights."""
    return np.asarray(_train_all(depth, steps, jnp.float32(rate), jnp.sqrt(jnp.float32(variances)), x, labels))


@jax.jit(static_argnums=(0, 1))
def _train_all(depth, steps, rate, w_std, x, labels):
    return jax.lax.map(lambda one: _train(depth, steps, rate, one, x, labels), w_std)


def _train(depth, steps, rate, w_std, x, labels):
    block = nn.Sequential(nn.Tanh(), nn.Dense(WIDTH, w_std=w_std, b_std=B_STD))
    first = nn.Dense(WIDTH, w_std=w_std, b_std=B_STD)
    net = nn.Sequential(first, nn.Repeat(block, depth - 1), nn.Tanh(), nn.Dense(10), parameterization="standard")
    params = net.init(jax.random.key(0), x.shape[1:])
    optimizer = optax.sgd(rate, momentum=0.9)

    def loss(params, chosen):
        outputs = net.apply(params, x[chosen])
        return optax.softmax_cross_entropy_with_integer_labels(outputs, labels[chosen]).mean()

    def step(state, key):
        params, memory = state
        chosen = jax.random.randint(key, (BATCH,), 0, len(x))
        updates, memory = optimizer.update(jax.grad(loss)(params, chosen), memory)
        return (optax.apply_updates(params, updates), memory), None

    keys = jax.random.split(jax.random.key(1), steps)
    (params, _), _ = jax.lax.scan(step, (params, optimizer.init(params)), keys)
    return (net.apply(params, x).argmax(-1) == labels).mean()


if __name__ == "__main__":
    main()
