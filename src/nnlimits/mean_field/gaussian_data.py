"""Population risks of squared loss in closed form, for Gaussian inputs: the kernels' expectations, with neurons as the inputs."""

import abc
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits import nn
from nnlimits.kernels import kernel
from nnlimits.kernels.smoothing import smoothed
from nnlimits.mean_field.neurons import Neurons
from nnlimits.mean_field.risk import Risk, Variation
from nnlimits.mean_field.two_layer import TwoLayer
from nnlimits.validation import check_finite


class QuadraticRisk(Risk):
    """Half the mean square of `f(x) - y`: `R(rho) = offset + integral of v d rho + 1/2 integral of u d rho d rho`.

    `v(theta) = -E[<y, sigma(x; theta)>]`, `u(theta, theta') = E[<sigma(x; theta), sigma(x; theta')>]` and `offset = E[|y|^2] / 2`
    (Mei, Montanari & Nguyen 2018, equation 3, there twice as large).
    """

    @property
    def degree(self) -> float | None:
        """That of the units, in which the potential and the interaction are linear."""
        return self.units.degree

    @abc.abstractmethod
    def offset(self) -> Any:
        """`E[|y|^2] / 2`."""

    @abc.abstractmethod
    def potential(self, positions: Float[Array, "k p"]) -> Float[Array, " k"]:
        """`v` at each row."""

    @abc.abstractmethod
    def interaction(self, positions: Float[Array, "k p"], others: Float[Array, "m p"]) -> Float[Array, "k m"]:
        """`u` of all pairs."""

    def __call__(self, neurons: Neurons) -> Float[Array, ""]:
        positions = jnp.asarray(neurons.positions)
        pairs = neurons.average(self.interaction(positions, positions) @ neurons.masses)
        return self.offset() + neurons.average(self.potential(positions)) + pairs / 2

    def first_variation(self, neurons: Neurons) -> Variation:
        others, masses = jnp.asarray(neurons.positions), jnp.asarray(neurons.masses)
        return lambda positions: self.potential(positions) + self.interaction(positions, others) @ masses


class GaussianClass(NamedTuple):
    """One class of `GaussianClasses`: its inputs are `root z` for a standard normal z."""

    probability: float
    target: float
    root: Any
    """A matrix (d, d), or a number for a multiple of the identity."""


class GaussianClasses(QuadraticRisk):
    """The risk where the target is that of one of several classes, whose inputs are Gaussian around zero.

    **Arguments:** `units`, a `TwoLayer` without biases and with one output; `classes`, of `(probability, target, root)`; the
    probabilities add up to one, and inputs of a class are `root z`.

    **Raises:** `TypeError` or `ValueError` for other units, or classes that do not fit.
    """

    units: TwoLayer
    classes: tuple[GaussianClass, ...]

    def __init__(self, units: TwoLayer, classes: Sequence[tuple[Any, Any, Any]]) -> None:
        _check_units(units)
        self.units = units
        self.classes = tuple(GaussianClass(float(p), float(y), _matrix(root, units.inputs)) for p, y, root in classes)
        total = sum(c.probability for c in self.classes)
        if any(c.probability < 0 for c in self.classes) or abs(total - 1) > 1e-6:
            raise ValueError(f"probabilities must be at least 0 and add up to 1; they add up to {total:g}")

    def offset(self) -> Any:
        return sum(c.probability * c.target**2 for c in self.classes) / 2

    def potential(self, positions: Float[Array, "k p"]) -> Float[Array, " k"]:
        w, _, a = self.units.split(positions)
        mean = jnp.zeros((), positions.dtype)
        for c in self.classes:
            spread = jnp.sqrt(jnp.square(w @ jnp.asarray(c.root, w.dtype)).sum(-1))
            mean += c.probability * c.target * smoothed(self.units.activation, jnp.zeros_like(spread), spread)
        return -mean if a is None else -mean * a[:, 0]

    def interaction(self, positions: Float[Array, "k p"], others: Float[Array, "m p"]) -> Float[Array, "k m"]:
        pairs = jnp.zeros((), positions.dtype)
        for c in self.classes:
            pairs += c.probability * _products(self.units, positions, others, c.root)
        return pairs


class Teacher(QuadraticRisk):
    """The risk where the target is the output of a known network of the same kind, and inputs are Gaussian around zero.

    **Arguments:** `units`, a `TwoLayer` without biases; `teacher`, neurons of it; inputs are `root z` for a standard normal z.

    **Raises:** `TypeError` or `ValueError` for other units, or a teacher that does not fit.
    """

    units: TwoLayer
    teacher: Neurons
    root: Float[Array | np.ndarray, "d d"]

    def __init__(self, units: TwoLayer, teacher: Neurons, root: Any = 1.0) -> None:
        _check_units(units)
        self.units, self.teacher, self.root = units, teacher, _matrix(root, units.inputs)
        self.check(teacher)

    def offset(self) -> Any:
        places = jnp.asarray(self.teacher.positions)
        return self.teacher.average(self.interaction(places, places) @ self.teacher.masses) / 2

    def potential(self, positions: Float[Array, "k p"]) -> Float[Array, " k"]:
        places, masses = (jnp.asarray(v, positions.dtype) for v in (self.teacher.positions, self.teacher.masses))
        return -self.interaction(positions, places) @ masses

    def interaction(self, positions: Float[Array, "k p"], others: Float[Array, "m p"]) -> Float[Array, "k m"]:
        return _products(self.units, positions, others, self.root)


def _products(units: TwoLayer, first: Array, second: Array, root: Any) -> Float[Array, "k m"]:
    """`E[<sigma(x; theta), sigma(x; theta')>]` for inputs `root z`."""
    (w1, _, a1), (w2, _, a2) = units.split(first), units.split(second)
    row = nn.Sequential(
        nn.Dense(1, w_std=units.inputs**0.5, b_std=None), units.activation, nn.Dense(1, b_std=None)
    )  # its NNGP, of the neurons' weights as inputs
    pairs = kernel(row).nngp(*(w @ jnp.asarray(root, first.dtype) for w in (w1, w2)))
    return pairs if a1 is None or a2 is None else pairs * (a1 @ a2.T)


def _check_units(units: Any) -> None:
    if not isinstance(units, TwoLayer):
        raise TypeError(f"units must be a TwoLayer; received {units!r}")
    if units.bias:
        raise ValueError(
            "closed forms are for neurons without biases; with biases use EmpiricalRisk on a sample, or sgd with fresh examples"
        )


def _matrix(root: Any, size: int) -> np.ndarray:
    root = np.asarray(root, np.float64)
    root = root * np.eye(size) if root.ndim == 0 else root
    if root.shape != (size, size):
        raise ValueError(f"root must be a number or a matrix {(size, size)}; received shape {root.shape}")
    check_finite("root", root)
    return root
