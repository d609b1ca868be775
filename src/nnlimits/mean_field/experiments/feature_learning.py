"""Features that move in the mean-field scaling, and not in the kernel limit: two classes of images, networks of three layers."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree, Shaped

from nnlimits import nn
from nnlimits.mean_field.embedding import Embedding
from nnlimits.mean_field.laws import gaussian
from nnlimits.mean_field.layered_flow import layered_descent
from nnlimits.progress import Advance, ignore
from nnlimits.rates import FittedRate, fitted_rate
from nnlimits.training.descent import descent
from nnlimits.training.problem import Problem
from nnlimits.validation import check_inputs

LABEL_SIZE = 8
STEPS, BLOCK = 2000, 10
"""At most so many steps, the loss looked at after each block."""
_RATES = {"mean field": 0.2, "NTK": 3.0}


class Learned(NamedTuple):
    """What networks of one scaling did in training, by width and seed."""

    steps: Int[np.ndarray, "widths seeds"]
    losses: Float[np.ndarray, "widths seeds"]
    """The last ones."""
    movement: Float[np.ndarray, "widths seeds"]
    """Of the first layer's weights: the norm of the change over that at the start."""
    before: Float[np.ndarray, "widths seeds"]
    """Centred alignment of the last hidden layer's kernel with the labels at the start."""
    after: Float[np.ndarray, "widths seeds"]
    """The same at the end."""


class FeatureLearning(NamedTuple):
    """Two scalings side by side."""

    widths: Int[np.ndarray, " widths"]
    target: float
    """The loss at which training ended."""
    mean_field: Learned
    ntk: Learned

    def rate(self, learned: Learned) -> FittedRate:
        """The power law of the movement in the width."""
        return fitted_rate(np.asarray(self.widths, float), learned.movement)


def two_classes(
    images: Shaped[np.ndarray, "n ..."], labels: Shaped[np.ndarray, " n"], classes: tuple[Any, Any], examples: int
) -> tuple[Float[np.ndarray, "k d"], Float[np.ndarray, "k 1"]]:
    """The first examples of two classes: centred images of mean square norm 1, and labels -1 and 1.

    **Raises:** `ValueError` if there are fewer examples, or none of one class.
    """
    rows = np.flatnonzero(np.isin(labels, classes))[:examples]
    y = np.where(labels[rows] == classes[1], 1.0, -1.0).astype(np.float32)
    if len(rows) < examples or len(np.unique(y)) < 2:
        raise ValueError(
            f"labels must hold {examples} examples of the classes {classes[0]} and {classes[1]}; received {len(rows)}"
        )
    x = images[rows].reshape(examples, -1).astype(np.float32)
    x -= x.mean(0)
    return x / np.sqrt((x**2).sum(1).mean()), y[:, None]


def feature_learning(
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, "n 1"],
    widths: Sequence[int] = (32, 64, 128, 256, 512, 1024),
    *,
    seeds: int = 3,
    target: float = 0.1,
    seed: int = 0,
    advance: Advance = ignore,
) -> FeatureLearning:
    """Two networks with two hidden layers of tanh learn two classes by gradient descent on half the mean squared error.

    In the mean-field scaling (Pham & Nguyen 2021) weights at the start are functions of labels that are drawn for each neuron:
    the first layer's combine the principal directions of the data. The twin has the NTK scaling and independent standard normal
    weights (Jacot, Gabriel & Hongler 2018), so that its first layer moves as `width^(-1/2)`.

    **Arguments:** `x` and `y`, as of `two_classes`; `widths`, of both hidden layers; `seeds`, networks of each width; `target`,
    the loss at which training ends, relative to that of the answer zero; `seed`, of the draws; `advance`, told of each width.

    **Raises:** `ValueError` for data that do not fit, or fewer examples than the labels of neurons have entries.
    """
    x, y = check_inputs("x", x), check_inputs("y", y)
    if len(x) < LABEL_SIZE or x.shape[1] < LABEL_SIZE or y.shape != (len(x), 1):
        raise ValueError(
            f"x must hold at least {LABEL_SIZE} examples of as many features, and y (n, 1) their labels; received shapes "
            f"{x.shape} and {y.shape}"
        )
    end, found = target * float(np.square(y).mean()) / 2, []
    for name, learn in (("mean field", _in_the_mean_field), ("NTK", _in_the_ntk_scaling)):
        rows = []
        for width in widths:
            keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), width), seeds)
            rows.append([learn(x, y, width, key, end) for key in keys])
            advance(f"{name}, width {width}")
        found.append(Learned(*(np.asarray(rows)[..., i] for i in range(len(Learned._fields)))))
    return FeatureLearning(np.asarray(widths), end, *(part._replace(steps=part.steps.astype(int)) for part in found))


def embedding(x: Float[np.ndarray, "n d"]) -> Embedding:
    """First-layer weights that combine the principal directions of the data by a label, and smooth functions of labels."""
    _, sizes, directions = np.linalg.svd(x, full_matrices=False)
    whitened = (directions / sizes[:, None])[:LABEL_SIZE].T * math.sqrt(len(x) / LABEL_SIZE)

    def second(source: Array, target: Array) -> Array:
        return 4 * jnp.sin(source @ target / math.sqrt(LABEL_SIZE)) + target[0]

    functions = [lambda label: jnp.asarray(whitened) @ label, second, lambda label: label[:1]]
    return Embedding([gaussian(LABEL_SIZE)] * 2, functions, [nn.Tanh(), nn.Tanh()])


def alignment(features: Any, y: Any) -> float:
    """`<K, y y^T> / (|K| |y y^T|)` for centred `K`, the Gram matrix of features (n, width), and centred labels (Cortes, Mohri &
    Rostamizadeh 2012).
    """
    h, z = (np.asarray(part, np.float64) - np.mean(np.asarray(part, np.float64), 0) for part in (features, y))
    return float((z.T @ h @ (h.T @ z)).item() / (np.linalg.norm(h @ h.T) * (z**2).sum()))


def _in_the_mean_field(x: np.ndarray, y: np.ndarray, width: int, key: Any, target: float) -> tuple[Any, ...]:
    start = embedding(x).sample(key, (width, width), x.dtype)

    def block(network: Any) -> tuple[Any, float]:
        course = layered_descent(network, x, y, _RATES["mean field"], [BLOCK])
        return course.at(network, -1), float(course.risks[-1])

    end, steps, loss = _until(start, block, target)
    found = alignment(start.hidden(x)[-1], y), alignment(end.hidden(x)[-1], y)
    return steps, loss, _moved(start.weights[0], end.weights[0]), *found


def _in_the_ntk_scaling(x: np.ndarray, y: np.ndarray, width: int, key: Any, target: float) -> tuple[Any, ...]:
    hidden = (nn.Dense(width, b_std=None), nn.Tanh())
    x = x * x.dtype.type(math.sqrt(x.shape[1]))  # its first layer divides by this root
    network = nn.Sequential(*hidden * 2, nn.Dense(1, b_std=None), parameterization="ntk")
    features = nn.Sequential(*hidden * 2, parameterization="ntk")
    start = network.init(key, x.shape[1:], dtype=x.dtype)

    problem = Problem(network, start, x, y)

    def block(params: PyTree) -> tuple[PyTree, float]:
        course = descent(problem.with_params(params), _RATES["NTK"], [BLOCK])
        return jax.tree.map(lambda part: part[-1], course.observed), float(course.losses[-1])

    end, steps, loss = _until(start, block, target)
    found = alignment(features.apply(start[:-1], x), y), alignment(features.apply(end[:-1], x), y)
    return steps, loss, _moved(start[0]["weight"], end[0]["weight"]), *found


def _until(state: Any, block: Callable[[Any], tuple[Any, float]], target: float) -> tuple[Any, int, float]:
    """The state at the first block whose loss is below the target, or the last; its steps, and its loss."""
    loss, steps = math.inf, 0
    while steps < STEPS and not loss < target:
        state, loss = block(state)
        steps += BLOCK
    return state, steps, loss


def _moved(start: Any, end: Any) -> float:
    start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
    return float(np.linalg.norm(end - start) / np.linalg.norm(start))
