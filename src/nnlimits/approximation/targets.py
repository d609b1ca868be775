"""Functions to approximate by name, with what is known of them."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.approximation.domain import Box
from nnlimits.approximation.spectrum import NormalMixture, Spectrum, Waves
from nnlimits.approximation.target import Target
from nnlimits.nn.fields import as_integer

Kind = Literal["smooth", "kinked", "oscillating", "discontinuous"]

LARGEST_DIMENSION = 6
"""Of the named functions, but for `barron`."""

_LARGEST_BARRON = 20


@dataclasses.dataclass(frozen=True)
class NamedTarget:
    """A function on the cube from -1 to 1, and what is known of it."""

    name: str
    """As in `TARGETS`."""
    kind: Kind
    formula: str
    """What people read; an expression that `expression` takes, where there is one."""
    function: Callable[[Float[Array, "n d"]], Float[Array, " n"]]
    """Of JAX, defined on the whole space."""
    dimension: int
    """The number of inputs."""
    lipschitz: float | None
    """The least Lipschitz constant, Euclidean; it holds on the whole space and is needed on the cube. None: discontinuous."""
    spectrum: Spectrum | None = None
    """Its Fourier representation, where one is known in closed form with finite first moment."""
    variations: Mapping[int, float] = dataclasses.field(default_factory=dict)
    """By the degree k, bounds of its variation on the cube with respect to ridge units of that degree (see
    `barron.claims`), where they are known without Fourier."""
    jumps: float | None = None
    """Of a discontinuous function that is constant elsewhere: points of the cube within r of where it jumps have a volume of
    at most 2 r times this."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "variations", MappingProxyType(dict(self.variations)))

    @property
    def domain(self) -> Box:
        """The cube."""
        return Box.cube(self.dimension, -1.0, 1.0)

    def derivative_bound(self, order: int) -> float | None:
        """A bound of all partial derivatives of an order on the whole space, None where none is known."""
        return None if self.spectrum is None else self.spectrum.derivative_bound(order)

    def target(self, domain: Box | None = None) -> Target:
        """The function with its Lipschitz constant, on the cube or another domain."""
        return Target(self.function, domain or self.domain, self.lipschitz)


def named_target(name: str, dimension: int = 1) -> NamedTarget:
    """The function of a name in a dimension.

    **Raises:** `ValueError` for an unknown name, or a dimension in which it is not defined.
    """
    if name not in TARGETS:
        raise ValueError(
            f"target must be one of {', '.join(TARGETS)}, or an expression of x0, x1, ...; received {name!r}"
        )
    dimension = as_integer("dimension", 1, dimension)
    largest = _LARGEST_BARRON if name == "barron" else LARGEST_DIMENSION
    if dimension > largest:
        raise ValueError(f"{name} is defined in 1 to {largest} dimensions; received dimension={dimension}")
    return TARGETS[name](dimension)


def _gaussian(d: int) -> NamedTarget:
    """The gradient is longest at distance 1/sqrt(2) from the origin."""
    return NamedTarget(
        "gaussian",
        "smooth",
        "exp(-r**2)",
        lambda x: jnp.exp(-jnp.sum(x**2, axis=1)),
        d,
        math.sqrt(2 / math.e),
        NormalMixture(d, 1.0),
    )


def _runge(d: int) -> NamedTarget:
    """The gradient is longest at distance 1 / (5 sqrt(3)) from the origin."""
    return NamedTarget(
        "runge",
        "smooth",
        "1/(1 + 25*r**2)",
        lambda x: 1 / (1 + 25 * jnp.sum(x**2, axis=1)),
        d,
        90 / (16 * math.sqrt(3)),
        NormalMixture(d, 25.0, exponential=True),
    )


def _ridge(d: int) -> NamedTarget:
    """A function of `s = a . x`, a of length 1. As a function of s it rises all the way, from -tanh(4 |a|_1) to tanh(4 |a|_1).

    For degree 1, the total variation of its derivative 4 sech^2(4 s) bounds, with s = |a|_1 z, the variation.
    """
    a = np.full(d, 1 / math.sqrt(d))
    end = float(a.sum())
    slope = 4 / math.cosh(4 * end) ** 2
    return NamedTarget(
        "ridge",
        "smooth",
        f"tanh(4*({' + '.join(f'x{i}' for i in range(d))})/{d}**0.5)",
        lambda x: jnp.tanh(4 * (x @ a)),
        d,
        4.0,
        None,
        {0: 2 * math.tanh(4 * end), 1: 2 * end * (4 - slope)},
    )


def _distance(d: int) -> NamedTarget:
    """The mean of |alpha . x| over the sphere is E|alpha_1| |x|; each is a ridge of variation 2 |alpha|_1, whose mean is
    2 d E|alpha_1|."""
    return NamedTarget(
        "distance",
        "kinked",
        "r",
        lambda x: jnp.sqrt(jnp.sum(x**2, axis=1)),
        d,
        1.0,
        None,
        {0: 2.0 * d, 1: 2.0 * d},
    )


def _absolute(d: int) -> NamedTarget:
    return NamedTarget(
        "absolute",
        "kinked",
        f"({' + '.join(f'abs(x{i})' for i in range(d))})/{d}",
        lambda x: jnp.sum(jnp.abs(x), axis=1) / d,
        d,
        1 / math.sqrt(d),
        None,
        {0: 2.0, 1: 2.0},
    )


def _tent(d: int) -> NamedTarget:
    """In one dimension it rises and falls by 1, and its slope jumps by 2 at 0 and, without effect, at the ends."""
    return NamedTarget(
        "tent",
        "kinked",
        f"maximum(0, 1 - ({' + '.join(f'abs(x{i})' for i in range(d))}))",
        lambda x: jnp.maximum(1 - jnp.sum(jnp.abs(x), axis=1), 0.0),
        d,
        math.sqrt(d),
        None,
        {0: 2.0, 1: 2.0} if d == 1 else {},
    )


def _sine(d: int) -> NamedTarget:
    frequency = np.full((1, d), 2 * math.pi / math.sqrt(d))
    return NamedTarget(
        "sine",
        "oscillating",
        f"sin(2*pi*({' + '.join(f'x{i}' for i in range(d))})/{d}**0.5)",
        lambda x: jnp.sin(x @ frequency[0]),
        d,
        2 * math.pi,
        Waves(frequency, np.ones(1)),
    )


def _waves(d: int) -> NamedTarget:
    """All derivatives of the sines are largest at the origin together."""
    multiples = math.pi * np.array([1.0, 3.0, 7.0])
    frequencies = np.kron(np.eye(d), multiples[:, None])
    terms = " + ".join(f"sin({m}*pi*x{i})" for i in range(d) for m in (1, 3, 7))
    return NamedTarget(
        "waves",
        "oscillating",
        f"({terms})/{3 * d}",
        lambda x: jnp.sum(jnp.sin(x @ frequencies.T), axis=1) / (3 * d),
        d,
        float(multiples.sum() / (3 * math.sqrt(d))),
        Waves(frequencies, np.full(3 * d, 1 / (3 * d))),
    )


def _checkerboard(d: int) -> NamedTarget:
    """The squared gradient is pi^2 times the chance that exactly one of d independent events happens, at most pi^2."""
    signs = np.stack(np.meshgrid(*[[1.0, -1.0]] * d, indexing="ij"), axis=-1).reshape(-1, d)
    return NamedTarget(
        "checkerboard",
        "oscillating",
        "*".join(f"cos(pi*x{i})" for i in range(d)),
        lambda x: jnp.prod(jnp.cos(math.pi * x), axis=1),
        d,
        math.pi,
        Waves(math.pi * signs, np.full(len(signs), 1 / len(signs))),
    )


def _barron(d: int) -> NamedTarget:
    """Sixteen sines whose frequencies have no negative entry: the gradient is longest at the origin, where all cosines are 1.

    The amplitudes are such that C_f is 4 on the cube, in every dimension.
    """
    rng = np.random.default_rng(1993)
    frequencies = np.abs(rng.standard_normal((16, d))) * rng.uniform(0.5, 2.0, (16, 1)) * 4 / math.sqrt(d)
    amplitudes = 1 / frequencies.sum(axis=1) / 4
    return NamedTarget(
        "barron",
        "oscillating",
        f"16 sines of {d} inputs, of Barron constant 4",
        lambda x: jnp.sin(x @ frequencies.T) @ amplitudes,
        d,
        float(np.linalg.norm(amplitudes @ frequencies)),
        Waves(frequencies, amplitudes),
    )


def _step(d: int) -> NamedTarget:
    """The indicator of a half-space is one unit of degree 0. No hyperplane meets the cube in more than sqrt(2) 2^{d-1} (Ball
    1986), so a slab of width 2 r has no more volume than 2 r times that."""
    return NamedTarget(
        "step",
        "discontinuous",
        f"({' + '.join(f'x{i}' for i in range(d))} > 0.25)",
        lambda x: _indicator(jnp.sum(x, axis=1) - 0.25),
        d,
        None,
        None,
        {0: 1.0},
        1.0 if d == 1 else math.sqrt(2) * 2.0 ** (d - 1),
    )


def _ball(d: int) -> NamedTarget:
    """The shell within r of the sphere of radius R has at most the volume `2 r area max(1, 2^d / (2 d))`, for r up to R."""
    return NamedTarget(
        "ball",
        "discontinuous",
        "(r < 0.75)",
        lambda x: _indicator(0.75**2 - jnp.sum(x**2, axis=1)),
        d,
        None,
        None,
        {0: 2.0} if d == 1 else {},
        2 * math.pi ** (d / 2) / math.gamma(d / 2) * 0.75 ** (d - 1) * max(1.0, 2**d / (2 * d)),
    )


def _indicator(values: Any) -> Any:
    return jnp.where(values > 0, 1.0, 0.0)


TARGETS: Mapping[str, Callable[[int], NamedTarget]] = MappingProxyType(
    {
        "gaussian": _gaussian,
        "runge": _runge,
        "ridge": _ridge,
        "distance": _distance,
        "absolute": _absolute,
        "tent": _tent,
        "sine": _sine,
        "waves": _waves,
        "checkerboard": _checkerboard,
        "barron": _barron,
        "step": _step,
        "ball": _ball,
    }
)
"""The functions by name, each from a dimension."""
