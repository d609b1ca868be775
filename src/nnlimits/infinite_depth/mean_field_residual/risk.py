"""Risks of residual networks as functionals of the law over depth: adjoints, first variation, gradient, tangent kernel."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.compute.precision import precision_of
from nnlimits.infinite_depth.mean_field_residual.law import ResidualLaw, check_law
from nnlimits.predict.losses import as_loss, class_targets, cross_entropy, mse
from nnlimits.validation import check_inputs, check_instance


def logistic(outputs: Float[Array, "n o"], targets: Float[Array, "n o"]) -> Float[Array, ""]:
    """The mean of `log(1 + exp(-y f))`, for targets -1 and 1."""
    return jnp.logaddexp(0.0, -targets * outputs).mean()


class Adjoint(NamedTuple):
    """States and their adjoints at the L + 1 nodes of depth."""

    states: Float[Array, "nodes n d"]
    adjoints: Float[Array, "nodes n d"]
    """`p_l`, the gradients of the risk in the states `X_l`: `p_l = p_{l+1} + (1/L) (grad_x velocity)^T p_{l+1}`."""


class Velocity(NamedTuple):
    """What moves along the gradient flow, and how fast."""

    particles: Float[Array, "layers m p"]
    encoder: Float[Array, "inputs d"]
    readout: Float[Array, "d o"]
    dissipation: Float[Array, ""]
    """The squared norm of the gradient: what the risk loses in a unit of time."""


class ResidualRisk(eqx.Module):
    """The loss of a residual network on a set of examples.

    **Arguments:** `x` (n, inputs); `y`, (n,) or (n, outputs), for `"cross_entropy"` class labels or one-hot rows, for
    `"logistic"` labels -1 and 1; `loss`, `"mse"`, half the mean squared error over all entries, `"cross_entropy"`,
    `"logistic"`, or a function of outputs and targets to a number.

    **Raises:** `ValueError` or `TypeError` for data that do not fit, are empty, or are not finite.
    """

    x: Float[Array | np.ndarray, "n inputs"]
    y: Float[Array | np.ndarray, "n o"]
    loss: Any = eqx.field(static=True)

    def __init__(self, x: Any, y: Any, loss: Any = "mse") -> None:
        self.loss = logistic if loss == "logistic" else as_loss(loss)
        self.x = check_inputs("x", x)
        if self.loss is cross_entropy and np.ndim(y) == 1:
            y = class_targets(y, self.x.dtype)
        y = np.asarray(y, self.x.dtype) if not isinstance(y, jax.Array) else y
        self.y = check_inputs("y", y[:, None] if y.ndim == 1 else y)
        if len(self.y) != len(self.x):
            raise ValueError(f"y must hold one target for each of the {len(self.x)} examples; received {len(self.y)}")
        if self.loss is logistic and not np.isin(np.asarray(self.y), (-1, 1)).all():
            raise ValueError(
                f"with the logistic loss y must hold -1 and 1; received {np.unique(np.asarray(self.y))[:5]}"
            )

    def __call__(self, law: ResidualLaw) -> Float[Array, ""]:
        """The risk.

        **Raises:** as `check`.
        """
        self.check(law)
        with self.precision(law):
            risk, law = self.alike(law)
            return risk.loss(law.outputs(jnp.asarray(risk.x)), jnp.asarray(risk.y))

    def adjoint(self, law: ResidualLaw) -> Adjoint:
        """Forward through the blocks and back: the exact adjoint of the finite network.

        In the limit of depth it solves `dp/ds = -(grad_x velocity)^T p` (Lu et al. 2020), with an error of order 1/L.

        **Raises:** as `check`.
        """
        self.check(law)
        with self.precision(law):
            risk, law = self.alike(law)
            return risk._adjoint(law)

    def _adjoint(self, law: ResidualLaw) -> Adjoint:
        states = law.states(jnp.asarray(self.x))
        last = self._last(law, states[-1]) @ law.readout.T

        def back(adjoint: Array, layer: tuple[Array, Array]) -> tuple[Array, Array]:
            theta, state = layer
            adjoint = jax.vjp(lambda x: law.step(theta, x), state)[1](adjoint)[0]
            return adjoint, adjoint

        _, before = jax.lax.scan(back, last, (jnp.asarray(law.particles), states[:-1]), reverse=True)
        return Adjoint(states, jnp.concatenate([before, last[None]]))

    def first_variation(self, law: ResidualLaw) -> Callable[[Any], Float[Array, "layers k"]]:
        """`delta E / delta rho(theta, s) = sum_i <p_i(s), f(X_i(s), theta)>` at each layer, as a function of rows theta (k, p).

        A change `rho(., s) + epsilon nu(., s)` changes the risk by the mean over layers of `epsilon integral of it d nu`.

        **Raises:** as `check`.
        """
        states, adjoints = self.adjoint(law)

        def variation(theta: Any) -> Array:
            with precision_of(states):
                return jax.vmap(lambda x, p: law.unit.correlate(theta, x, p))(states[:-1], adjoints[1:])

        return variation

    def velocity(self, law: ResidualLaw) -> tuple[Float[Array, ""], Velocity]:
        """The risk, and the velocity of its gradient flow: `-grad_theta delta E / delta rho = -L M grad E` for each neuron.

        Encoder and readout move at minus their `rates` times the gradient.

        **Raises:** as `check`.
        """
        self.check(law)
        with self.precision(law):
            risk, law = self.alike(law)
            return risk._velocity(law)

    def _velocity(self, law: ResidualLaw) -> tuple[Array, Velocity]:
        states = law.states(jnp.asarray(self.x))
        risk, pull = jax.value_and_grad(lambda last: self.loss(last @ law.readout, self.y))(states[-1])

        def back(adjoint: Array, layer: tuple[Array, Array]) -> tuple[Array, Array]:
            gradients = jax.vjp(law.step, *layer)[1](adjoint)
            return gradients[1], gradients[0]

        first, gradient = jax.lax.scan(back, pull, (jnp.asarray(law.particles), states[:-1]), reverse=True)
        particles = -law.layers * law.width * gradient
        encoder = -law.rates.encoder * (jnp.asarray(self.x).T @ first)
        readout = -law.rates.readout * (states[-1].T @ self._last(law, states[-1]))
        dissipation = jnp.square(particles).sum(-1).mean()
        for rate, part in zip(law.rates, (encoder, readout), strict=True):
            dissipation += jnp.square(part).sum() / rate if rate else 0.0
        return risk, Velocity(particles, encoder, readout, dissipation)

    def check(self, law: Any) -> None:
        """Raise `TypeError` or `ValueError` for a law whose inputs or outputs are not those of the data.

        Of a loss that is a function of one's own outputs and targets need not have as many columns.
        """
        check_law(law)
        law.check_inputs(self.x)
        if self.loss in (mse, cross_entropy, logistic) and self.y.shape[1] != law.readout.shape[1]:
            raise ValueError(
                f"y must have {law.readout.shape[1]} columns, those of the readout; received {self.y.shape[1]}"
            )

    def precision(self, law: ResidualLaw) -> Any:
        """A context in which float64 is available if the particles or the data are float64."""
        return precision_of(law.particles, self.x)

    def alike(self, law: ResidualLaw) -> tuple["ResidualRisk", ResidualLaw]:
        """The risk and the law in one dtype, the wider one of the inputs and the particles; to be called in `precision`.

        Loops over layers and over steps keep one dtype, so that whatever runs them starts here.
        """
        dtype = jnp.result_type(self.x, law.particles)
        data = jnp.asarray(self.x, dtype), jnp.asarray(self.y, dtype)
        return eqx.tree_at(lambda risk: (risk.x, risk.y), self, data), law.astype(dtype)

    def _last(self, law: ResidualLaw, last: Array) -> Float[Array, "n o"]:
        """The gradient of the loss in the outputs."""
        return jax.grad(lambda outputs: self.loss(outputs, self.y))(last @ law.readout)


def check_risk(risk: Any, law: Any) -> None:
    """Raise `TypeError` unless `risk` is a `ResidualRisk`, and as `ResidualRisk.check` for a law that does not fit it."""
    check_instance("risk", risk, ResidualRisk)
    risk.check(law)
