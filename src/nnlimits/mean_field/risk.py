"""Risks as functionals of the measure of neurons, with their first variation."""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.compute.precision import precision_of
from nnlimits.mean_field.neurons import Neurons
from nnlimits.mean_field.units import Units
from nnlimits.predict.losses import as_loss, class_targets, cross_entropy, mse
from nnlimits.validation import check_finite, check_inputs, check_non_negative

Variation = Callable[[Any], Float[Array, " k"]]
"""The first variation of a risk at one measure, from rows of parameters (k, p)."""


class Risk(eqx.Module):
    """A functional `R(rho)` of the measure of neurons.

    Its first variation is `V(theta; rho)` with `R(rho + epsilon nu) = R(rho) + epsilon integral of V d nu + O(epsilon^2)`.
    """

    units: eqx.AbstractVar[Units]

    @abc.abstractmethod
    def __call__(self, neurons: Neurons) -> Float[Array, ""]:
        """`R(rho)`."""

    @abc.abstractmethod
    def first_variation(self, neurons: Neurons) -> Variation:
        """`V(theta; rho)` for `rho` the measure `neurons`, as a function from rows theta (k, p) to values (k,)."""

    @property
    def degree(self) -> float | None:
        """`k`, if `V(c theta; rho) = c^k V(theta; rho)` for all `c > 0` and every `rho`; `None` if no such number is known.

        Where there is one, neurons are measures on the sphere to the risk: of mass `integral of |theta|^k d rho`.
        """
        return None

    def velocity(self, neurons: Neurons) -> Float[Array, "m p"]:
        """That of each neuron in the Wasserstein gradient flow, `-grad V(theta_i; rho)`."""
        variation = self.first_variation(neurons)
        return -jax.grad(lambda places: variation(places).sum())(jnp.asarray(neurons.positions))

    def check(self, neurons: Neurons) -> None:
        """Raise `ValueError` for neurons of another size than the risk's."""
        if neurons.positions.shape[1] != self.units.size:
            raise ValueError(
                f"neurons must have {self.units.size} parameters each, as {self.units!r} does; "
                f"received {neurons.positions.shape[1]}"
            )

    def precision(self, neurons: Neurons) -> Any:
        """A context in which float64 is available if the neurons are float64."""
        return precision_of(neurons.positions)


class EmpiricalRisk(Risk):
    """The loss on a finite set of examples, `R(rho) = loss(f(x), y) + decay / 2 integral of |theta|^2 d rho`.

    With weights, the sum of `weights_i loss(f(x_i), y_i)`: the nodes and weights of a quadrature rule, such as
    `gauss_hermite`, give the risk on a whole law of inputs.

    **Arguments:** `units`, such as a `TwoLayer`; `x` (n, d); `y`, (n,) or (n, outputs); with `"cross_entropy"` class labels or
    one-hot rows. `loss`, `"mse"`, half the mean squared error over all entries, `"cross_entropy"`, or a function of outputs and
    targets to a number; `decay`, at least 0; `weights` (n,), equal if absent.

    **Raises:** `ValueError` or `TypeError` for data that do not fit, are empty, or are not finite.
    """

    units: Units
    x: Float[Array | np.ndarray, "n d"]
    y: Float[Array | np.ndarray, "n o"]
    loss: Any = eqx.field(static=True)
    decay: float = eqx.field(static=True)
    weights: Float[Array | np.ndarray, " n"] | None

    def __init__(
        self, units: Units, x: Any, y: Any, loss: Any = "mse", decay: float = 0.0, weights: Any = None
    ) -> None:
        self.units, self.loss, self.decay = units, as_loss(loss), float(decay)
        check_non_negative("decay", decay)
        self.x = check_inputs("x", x)
        if self.loss is cross_entropy and np.ndim(y) == 1:
            y = class_targets(y, self.x.dtype)
        y = np.asarray(y, self.x.dtype) if not isinstance(y, jax.Array) else y
        y = check_inputs("y", y[:, None] if y.ndim == 1 else y)
        if len(y) != len(self.x):
            raise ValueError(f"y must hold one target for each of the {len(self.x)} examples; received {len(y)}")
        if self.loss in (mse, cross_entropy) and y.shape[1] != units.outputs:
            raise ValueError(f"y must have {units.outputs} columns, the outputs of {units!r}; received {y.shape[1]}")
        self.y = y
        self.weights = None if weights is None else _checked_weights(weights, self.x)

    def fit(self, outputs: Float[Array, "n o"]) -> Float[Array, ""]:
        """The loss of outputs at the examples."""
        y = jnp.asarray(self.y)
        if self.weights is None:
            return self.loss(outputs, y)
        losses = jax.vmap(lambda output, target: self.loss(output[None], target[None]))(outputs, y)
        return jnp.asarray(self.weights) @ losses

    @property
    def degree(self) -> float | None:
        """That of the units; with decay only if it is two, as the penalty's."""
        return self.units.degree if self.decay == 0 or self.units.degree == 2 else None

    def __call__(self, neurons: Neurons) -> Float[Array, ""]:
        fit = self.fit(self.units.apply(neurons, jnp.asarray(self.x)))
        return fit + neurons.average(self._penalty(jnp.asarray(neurons.positions)))

    def first_variation(self, neurons: Neurons) -> Variation:
        x = jnp.asarray(self.x)
        pull = jax.grad(self.fit)(self.units.apply(neurons, x))
        return lambda positions: self.units.correlate(positions, x, pull) + self._penalty(positions)

    def velocity(self, neurons: Neurons) -> Float[Array, "m p"]:
        outputs, pullback = self.units.apply_and_pullback(neurons, jnp.asarray(self.x))
        pull = jax.grad(self.fit)(outputs)
        return -pullback(pull) - self.decay * jnp.asarray(neurons.positions)

    def _penalty(self, positions: Float[Array, "k p"]) -> Float[Array, " k"]:
        return self.decay / 2 * jnp.square(positions).sum(-1)


def _checked_weights(weights: Any, x: Any) -> np.ndarray:
    check_finite("weights", weights)
    found = np.asarray(weights, x.dtype)
    if found.shape != (len(x),) or (found < 0).any() or not found.any():
        raise ValueError(
            f"weights must be {len(x)} numbers, one for each example, at least 0 and not all 0; received shape {found.shape}"
            f" and least {found.min(initial=0.0):g}"
        )
    return found
