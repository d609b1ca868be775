"""Networks of width max(d_in, d_out) - 1, trained as well as they can be, against the theorem's."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from nnlimits import nn
from nnlimits.approximation.approximation import Approximation
from nnlimits.approximation.compiled import compiled
from nnlimits.approximation.measured_error import MeasuredError, measured_error
from nnlimits.approximation.minimum_width.obstruction import (
    bowl,
    bowl_floor,
    bowl_sup_floor,
    hyperplane_floor,
    simplex_covariance,
    simplex_curve,
    simplex_sup_floor,
)
from nnlimits.approximation.minimum_width.theorem import minimum_width
from nnlimits.approximation.target import Target
from nnlimits.progress import Advance, ignore

_POINTS = 512
_RATE = 5e-3


class Trained(NamedTuple):
    """Networks of one width and depth after training from several seeds."""

    width: int
    depth: int
    l2: Float[np.ndarray, " seeds"]
    """The L^2 distances on the held-out set."""
    sup: Float[np.ndarray, " seeds"]
    """The sup distances there."""


class Obstructed(NamedTuple):
    """A function that no network of some width approximates."""

    name: str
    target: Target
    width: int
    """The width that is too small: max(d_in, d_out) - 1."""
    floor: float
    """No such network is nearer than this in L^2: a theorem."""
    sup_floor: float
    """The same in the sup norm."""
    trained: tuple[Trained, ...]
    """Trained networks of that width and several depths."""
    constructed: tuple[Approximation, ...]
    """Those of `minimum_width`, with more and more bits."""


def too_narrow(
    *,
    depths: Sequence[int] = (1, 2, 4),
    seeds: int = 16,
    steps: int = 1000,
    bits: Sequence[int] = (1, 2, 3, 4, 5),
    advance: Advance = ignore,
) -> tuple[Obstructed, ...]:
    """The standard counterexamples, for inputs and for outputs, with the best that training finds and the theorem's.

    `|x|^2` on a square, which is constant along no direction, by networks of width 1; the curve through the corners of a
    simplex in three dimensions, which lies in no plane, by networks of width 2. Trained by Adam on the mean square of all points.

    **Arguments:** `depths`, the hidden layers of trained networks; `seeds`, how many of each; `steps`, of training; `bits`,
    of the constructed ones; `advance`, told of each network.
    """
    cases = (
        ("|x|² on a square", bowl(2), bowl_floor(2), bowl_sup_floor()),
        (
            "curve through a simplex's corners",
            simplex_curve(3),
            hyperplane_floor(simplex_covariance(3)),
            simplex_sup_floor(3),
        ),
    )
    found = []
    for name, target, floor, sup_floor in cases:
        width = max(target.domain.dimension, target.outputs) - 1
        trained = []
        for depth in depths:
            trained.append(_trained(target, width, depth, seeds, steps))
            advance(f"{name}: width {width}, depth {depth}, trained")
        constructed = []
        for one in bits:
            constructed.append(minimum_width(target, bits=one))
            advance(f"{name}: {one} bits, constructed")
        found.append(Obstructed(name, target, width, floor, sup_floor, tuple(trained), tuple(constructed)))
    return tuple(found)


def _trained(target: Target, width: int, depth: int, seeds: int, steps: int) -> Trained:
    network = nn.Sequential(*[nn.Dense(width, w_std=2**0.5, b_std=0.5), nn.Relu()] * depth, nn.Dense(target.outputs))
    points = target.domain.dense(_POINTS, seed=7).astype(np.float32)
    values = target(points).astype(np.float32)
    keys = jax.random.split(jax.random.key(depth), seeds)
    errors = [
        _measured(network, one, target) for one in _unstacked(_descended(network, keys, points, values, steps), seeds)
    ]
    return Trained(width, depth, np.array([e.l2 for e in errors]), np.array([e.sup for e in errors]))


def _descended(
    network: nn.Layer,
    keys: Any,
    points: Float[np.ndarray, "n d"],
    values: Float[np.ndarray, "n outputs"],
    steps: int,
) -> Any:
    """The parameters after training, stacked over seeds."""
    import optax

    optimizer = optax.adam(optax.cosine_decay_schedule(_RATE, steps))

    def loss(params: Any) -> Array:
        return ((network.apply(params, points) - values) ** 2).mean()

    def step(carry: Any, _: None) -> tuple[Any, None]:
        params, state = carry
        updates, state = optimizer.update(jax.grad(loss)(params), state)
        return (optax.apply_updates(params, updates), state), None

    @jax.jit
    @jax.vmap
    def run(key: PRNGKeyArray) -> Any:
        params = network.init(key, (points.shape[1],), dtype=np.float32)
        return jax.lax.scan(step, (params, optimizer.init(params)), length=steps)[0][0]

    return run(keys)


def _unstacked(params: Any, seeds: int) -> list[Any]:
    return [jax.tree.map(lambda leaf, seed=seed: np.asarray(leaf)[seed], params) for seed in range(seeds)]


def _measured(network: nn.Layer, params: Any, target: Target) -> MeasuredError:
    return measured_error(target, lambda x: compiled(network, params, np.asarray(x, np.float32)))
