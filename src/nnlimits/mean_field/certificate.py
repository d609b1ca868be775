"""A proof of global optimality: the first variation, minimised over all neurons that could be added."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jaxtyping import Array, Float, PRNGKeyArray

from nnlimits.mean_field.laws import Law, Sphere, gaussian
from nnlimits.mean_field.neurons import Neurons
from nnlimits.mean_field.risk import Risk
from nnlimits.validation import check_positive

_STEPS = 200


class Certificate(NamedTuple):
    """How far a measure of neurons is from the best one, for a convex loss."""

    lowest: float
    """The least value of the first variation found, over the unit sphere for homogeneous neurons."""
    direction: Float[np.ndarray, " p"]
    """Where it is: the neuron that is worth adding most, if `lowest` is below `average`."""
    average: float
    """The integral of the first variation over the neurons; zero for homogeneous ones at rest."""
    gap: float
    """The risk is at most this far above the least of measures of the same mass (where the risk has a `degree`, of at most that
    mass on the sphere), if `lowest` is the minimum."""

    @property
    def descends(self) -> bool:
        """Whether adding the neuron `direction` lowers the risk."""
        return self.gap > 0


def certificate(
    risk: Risk,
    neurons: Neurons,
    key: PRNGKeyArray,
    *,
    starts: int = 256,
    law: Law | None = None,
    mass: float | None = None,
) -> Certificate:
    """The least first variation over the whole space of parameters, by local minimisation from many starts.

    A convex risk lies above its tangent, so `R(rho) - R(rho') <= integral of V d rho - integral of V d rho'` for any other
    measure. For measures of mass `M`, one for probability measures, that is at most `average - M lowest`. Where the risk has a
    `degree` (neurons of ReLU, say) neurons are measures on the sphere: then it is at most `average - M min(lowest, 0)` for
    all masses up to M (Chizat & Bach 2018, proposition 3.1; Bach 2017).

    **Arguments:** `risk`, with a convex loss; `neurons`; `key`, a JAX random key; `starts`, of which half are the neurons of
    largest mass and half drawn from `law`: by default uniform on the sphere, or Gaussian with the neurons' spread; `mass`, of
    the measures to compare with: by default that of the neurons, on the sphere `integral of |theta|^k d rho`.

    **Returns:** a `Certificate`. That no start led lower is evidence, not proof, that `lowest` is the minimum.

    **Raises:** `ValueError` for numbers out of range.
    """
    risk.check(neurons)
    if isinstance(starts, bool) or not isinstance(starts, int) or starts < 2:
        raise ValueError(f"starts must be a whole number of at least 2; received {starts!r}")
    if mass is not None:
        check_positive("mass", mass)
    degree = risk.degree
    dtype = neurons.positions.dtype
    with risk.precision(neurons):
        first = _starts(neurons, key, starts, law or _around(neurons, degree), dtype)
        values, places, average = _minimised(risk, neurons, first, _anywhere if degree is None else _on_sphere)
        best = int(jnp.argmin(values))
        lowest, direction, average = float(values[best]), np.asarray(places[best]), float(average)
        total = float(_mass(neurons, degree)) if mass is None else mass
        gap = average - total * (lowest if degree is None else min(lowest, 0.0))
    return Certificate(lowest, direction, average, max(gap, 0.0))


def _mass(neurons: Neurons, degree: float | None) -> Array:
    """`integral of |theta|^k d rho`, for `k = 0` if there is no degree."""
    return neurons.average(jnp.linalg.norm(jnp.asarray(neurons.positions), axis=1) ** (degree or 0.0))


def _around(neurons: Neurons, degree: float | None) -> Law:
    size = neurons.positions.shape[1]
    if degree is not None:
        return Sphere(size)
    spread = np.sqrt(np.mean(np.square(np.asarray(neurons.positions)), axis=0))
    return gaussian(size, 1.5 * np.where(spread > 0, spread, 1.0))


def _starts(neurons: Neurons, key: PRNGKeyArray, starts: int, law: Law, dtype: Any) -> Float[Array, "s p"]:
    heaviest = np.argsort(-np.asarray(neurons.masses), kind="stable")[: starts // 2]
    known = jnp.asarray(neurons.positions)[heaviest]
    return jnp.concatenate([known, law.draw(key, starts - len(known), dtype)])


def _on_sphere(theta: Float[Array, "... p"]) -> Float[Array, "... p"]:
    norm = jnp.sqrt(jnp.square(theta).sum(-1, keepdims=True))
    return theta / jnp.maximum(norm, 1e-12)


def _anywhere(theta: Float[Array, "... p"]) -> Float[Array, "... p"]:
    return theta


@eqx.filter_jit
def _minimised(
    risk: Risk, neurons: Neurons, starts: Float[Array, "s p"], place: Callable[[Array], Array]
) -> tuple[Array, Array, Array]:
    """The first variation at the ends of local minimisation and at the starts, these places, and its mean over the neurons."""
    variation = risk.first_variation(neurons)

    def at(theta: Array) -> Array:
        return variation(place(theta)[None])[0]

    def with_its_gradient_alone(theta: Array, _: Any) -> Array:
        """The same value and gradient, but linear around `theta`: else the solver keeps a linearization, which holds the data
        once for every start, and goes through them forward and backward.
        """
        here = jax.lax.stop_gradient(theta)
        value, slope = jax.lax.stop_gradient(jax.value_and_grad(at)(here))
        return value + jnp.vdot(slope, theta - here)

    def minimise(theta: Array) -> Array:
        solver = optx.LBFGS(rtol=1e-6, atol=1e-9)
        found = optx.minimise(with_its_gradient_alone, solver, place(theta), max_steps=_STEPS, throw=False)
        return place(found.value)

    ends = jnp.concatenate([jax.lax.map(minimise, starts, batch_size=32), place(starts)])
    return variation(ends), ends, neurons.average(variation(jnp.asarray(neurons.positions)))
