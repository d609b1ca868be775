"""Finite networks with two hidden layers against their limit, from weights with a law of labels and from independent ones."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from nnlimits import nn
from nnlimits.mean_field.convergence import Convergence
from nnlimits.mean_field.embedding import Embedding, gauss_hermite
from nnlimits.mean_field.laws import Sphere
from nnlimits.mean_field.layered import Layered
from nnlimits.mean_field.layered_convergence import layered_convergence
from nnlimits.mean_field.layered_language import embedding_of, layered_of
from nnlimits.progress import Advance, ignore

TIMES = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
_SHOWN = (0.0, 1.0, 4.0)
"""Times whose errors of outputs are kept; the risk is that of all."""
_CIRCLE, _ORDERS = 96, (48, 24)
"""Nodes of the limits' rules: on the circle, and in each of two Gaussian coordinates of the first and of the second layer."""


class ThreeLayers(NamedTuple):
    """Errors of finite networks by width, with hidden weights at the start that are"""

    labelled: Convergence
    """smooth functions of labels on a circle, drawn for each neuron;"""
    independent: Convergence
    """independent centred Gaussian, as `init` of a network of the language draws them."""


NETWORK = nn.Sequential(
    *(nn.Dense(8, w_std=1.0, b_std=1.0), nn.Erf(), nn.Dense(8, w_std=1.5, b_std=0.5), nn.Erf(), nn.Dense(1, w_std=1.5)),
    parameterization="mean_field",
)


def three_layers(
    widths: Sequence[int] = (32, 64, 128, 256, 512, 1024),
    *,
    seeds: int = 16,
    seed: int = 0,
    advance: Advance = ignore,
) -> ThreeLayers:
    """Networks with two hidden layers on 20 points of a function of one variable, by gradient flow.

    Errors fall as the root of the width at any time (Pham & Nguyen 2021; Nguyen & Pham 2023 for independent weights). The rules
    of the limits err by less than 1e-4 in the outputs.

    **Arguments:** `widths`, of both hidden layers; `seeds`, networks of each width and kind; `seed`, of the draws; `advance`,
    told of each limit and width.

    **Raises:** `ValueError` for numbers out of range.
    """
    x, y = data()
    found = []
    for index, (draw, limit) in enumerate(((_labelled, circle(_CIRCLE)), (_independent, gaussian(*_ORDERS)))):
        key = jax.random.fold_in(jax.random.key(seed), index)
        course = layered_convergence(draw, limit, x, y, TIMES, widths, key, seeds=seeds, advance=advance)
        kept = [*(f"outputs at time {time:g}" for time in _SHOWN), "risk"]
        found.append(course._replace(errors={name: course.errors[name] for name in kept}))
    return ThreeLayers(*found)


def data() -> tuple[np.ndarray, np.ndarray]:
    """20 points on a line, and a function of them that is neither odd nor even."""
    x = np.linspace(-1, 1, 20, dtype=np.float32)[:, None]
    return x, np.sin(3 * x) / 2 + x**2


def circle(nodes: int) -> Layered:
    """The limit of labelled weights by the trapezoidal rule, exponentially accurate for smooth functions on the circle."""
    angles = 2 * np.pi * (np.arange(nodes) + 0.5) / nodes
    places = np.stack([np.cos(angles), np.sin(angles)], 1)
    return EMBEDDING.at([places] * 2, [np.full(nodes, 1 / nodes)] * 2)


def gaussian(*orders: int) -> Layered:
    """The limit of independent weights by Gauss-Hermite rules of these orders for the labels of the two layers."""
    nodes, masses = zip(*(gauss_hermite(order, (1.0, 1.0)) for order in orders), strict=True)
    return embedding_of(NETWORK, (1,)).at(nodes, masses)


def _second(a: Array, b: Array) -> Array:
    return 2 * jnp.sin(a @ b + 0.5) + 2 * b[1]


EMBEDDING = Embedding(
    [Sphere(2), Sphere(2)],
    [lambda a: 3 * a[:1], _second, lambda b: 2 * b[:1]],
    [nn.Erf(), nn.Erf()],
    biases=[lambda a: 2 * a[1], lambda b: b[0] * b[1]],
    output_bias=[0.0],
)


def _labelled(key: PRNGKeyArray, width: int) -> Layered:
    return EMBEDDING.sample(key, (width, width))


def _independent(key: PRNGKeyArray, width: int) -> Layered:
    network: Any = nn.with_width(NETWORK, width)
    return layered_of(network, network.init(key, (1,)))
