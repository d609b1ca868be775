"""How fast the theorem's networks approach functions of four kinds, in one to three dimensions."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from nnlimits.approximation.approximation import Approximation
from nnlimits.approximation.minimum_width.theorem import minimum_width
from nnlimits.progress import Advance, ignore
from nnlimits.rates import FittedRate, fitted_rate


class Case(NamedTuple):
    """A function on the cube [-1, 1]^d with what is claimed of it."""

    name: str
    dimension: int
    outputs: int
    function: Callable[[Any], Any]
    claims: dict[str, Any]
    """`lipschitz`, `jumps` and `values`, as `minimum_width` takes them."""
    bits: tuple[int, ...]
    promised: float
    """The slope of the certificate's bound in L^2 against 2^K: -1 for Lipschitz functions, -1/2 with jumps."""


class Approached(NamedTuple):
    """The networks for one function, with more and more bits, and the rate of their errors."""

    case: Case
    approximations: tuple[Approximation, ...]
    rate: FittedRate
    """Of measured L^2 distances against 2^K."""


def _ball(x: Any) -> Any:
    """1 within 0.7 of the origin, else 0."""
    return jnp.where((x**2).sum(axis=1) < 0.49, 1.0, 0.0)


CASES = (
    Case("smooth", 1, 1, lambda x: jnp.sin(3 * x[:, 0]), {"lipschitz": 3.0}, (2, 3, 4, 5, 6, 7, 8), -1.0),
    Case("smooth", 2, 1, lambda x: jnp.exp(-(x**2).sum(axis=1)), {"lipschitz": 0.86}, (1, 2, 3, 4, 5), -1.0),
    Case("smooth", 3, 1, lambda x: jnp.exp(-(x**2).sum(axis=1)), {"lipschitz": 0.86}, (1, 2, 3, 4), -1.0),
    Case("kinked", 1, 1, lambda x: jnp.abs(x[:, 0] - 0.3), {"lipschitz": 1.0}, (2, 3, 4, 5, 6, 7, 8), -1.0),
    Case("kinked", 2, 1, lambda x: jnp.abs(x).max(axis=1), {"lipschitz": 1.0}, (1, 2, 3, 4, 5), -1.0),
    Case("kinked", 3, 1, lambda x: jnp.abs(x).max(axis=1), {"lipschitz": 1.0}, (1, 2, 3, 4), -1.0),
    Case(
        "oscillating",
        1,
        3,
        lambda x: jnp.stack([jnp.sin(12 * x[:, 0]), jnp.cos(12 * x[:, 0]), x[:, 0]], axis=1),
        {"lipschitz": 12.0},
        (3, 4, 5, 6, 7),
        -1.0,
    ),
    Case(
        "oscillating",
        2,
        1,
        lambda x: jnp.sin(6 * x[:, 0]) * jnp.cos(6 * x[:, 1]),
        {"lipschitz": 6.0},
        (2, 3, 4, 5, 6),
        -1.0,
    ),
    Case(
        "discontinuous",
        1,
        1,
        lambda x: jnp.where(x[:, 0] > 0.3, 1.0, -1.0),
        {"lipschitz": 0.0, "jumps": 1.0, "values": (-1.0, 1.0)},
        (2, 3, 4, 5, 6, 7, 8),
        -0.5,
    ),
    # points within r of a circle of radius 0.7 have an area of 4 pi 0.7 r, twice r times its length; of a sphere a volume of
    # 8 pi (0.49 r + r^3 / 3), or all of the cube's 8 where r > 0.545, so at most 2 r 7.4
    Case(
        "discontinuous",
        2,
        1,
        _ball,
        {"lipschitz": 0.0, "jumps": 1.4 * np.pi, "values": (0.0, 1.0)},
        (1, 2, 3, 4, 5),
        -0.5,
    ),
    Case("discontinuous", 3, 1, _ball, {"lipschitz": 0.0, "jumps": 7.4, "values": (0.0, 1.0)}, (1, 2, 3, 4), -0.5),
)


def approached(cases: tuple[Case, ...] = CASES, *, advance: Advance = ignore) -> tuple[Approached, ...]:
    """The theorem's networks for each case and number of bits, and the slopes of their errors.

    **Arguments:** `cases`; `advance`, told of each network.
    """
    found = []
    for case in cases:
        networks = []
        for bits in case.bits:
            networks.append(minimum_width(case.function, [(-1.0, 1.0)] * case.dimension, bits=bits, **case.claims))
            depth = int(networks[-1].certificate.constants["depth"])
            advance(f"{case.name}, {case.dimension} dimensions, {bits} bits: {depth} layers")
        errors = np.array([[one.error.l2] for one in networks])
        rate = fitted_rate(2.0 ** np.array(case.bits), errors)
        found.append(Approached(case, tuple(networks), rate))
    return tuple(found)
