"""Between lazy and mean-field training: the scale of the output."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.compute.precision import precision_of
from nnlimits.mean_field.flow import Times, flow
from nnlimits.mean_field.neurons import Neurons
from nnlimits.mean_field.risk import EmpiricalRisk, Risk, Variation
from nnlimits.mean_field.two_layer import TwoLayer
from nnlimits.mean_field.units import Units
from nnlimits.validation import check_positive

Inputs = Float[Array | np.ndarray, "n d"]


class ScaledRisk(Risk):
    """`loss(alpha (f - origin), y) / alpha^2`, the risk of a network that is scaled after its outputs at the start are taken off.

    Its flow fits the data in a time that does not grow with `alpha`. Small `alpha` is far from, large `alpha` close to training
    the linearization of the network (Chizat, Oyallon & Bach 2019, equation 3). For `m` neurons of equal mass, `alpha = 1` is
    the mean-field scale and `alpha = sqrt(m)` that of the NTK.

    **Arguments:** `risk`, an `EmpiricalRisk` without decay; `alpha`, positive; `start`, the neurons whose outputs are taken off.

    **Raises:** `TypeError` or `ValueError` for a risk or scale that does not fit.
    """

    units: Units
    risk: EmpiricalRisk
    alpha: Any
    origin: Float[Array | np.ndarray, "n o"]

    def __init__(self, risk: EmpiricalRisk, alpha: Any, start: Neurons) -> None:
        if not isinstance(risk, EmpiricalRisk):
            raise TypeError(f"risk must be an EmpiricalRisk; received {type(risk).__name__}")
        if risk.decay:
            raise ValueError(f"decay pulls the weights however lazy they are; give decay=0, received {risk.decay:g}")
        check_positive("alpha", alpha)
        risk.check(start)
        with risk.precision(start):
            self.units, self.risk, self.alpha = risk.units, risk, jnp.asarray(alpha, start.positions.dtype)
            self.origin = risk.units.apply(start, jnp.asarray(risk.x))

    @property
    def degree(self) -> float | None:
        """That of the units, as there is no decay."""
        return self.units.degree

    def __call__(self, neurons: Neurons) -> Float[Array, ""]:
        return self.risk.fit(self.outputs(neurons)) / self.alpha**2

    def first_variation(self, neurons: Neurons) -> Variation:
        x = jnp.asarray(self.risk.x)
        pull = jax.grad(self.risk.fit)(self.outputs(neurons)) / self.alpha
        return lambda positions: self.units.correlate(positions, x, pull)

    def outputs(self, neurons: Neurons) -> Float[Array, "n o"]:
        """`alpha (f - origin)` at the risk's inputs."""
        return self.alpha * (self.units.apply(neurons, jnp.asarray(self.risk.x)) - self.origin)


def tangent_kernel(units: Units, neurons: Neurons, x: Inputs) -> Float[Array, "n n"]:
    """`K(x, x') = integral of <grad_theta sigma(x; theta), grad_theta sigma(x'; theta)> d rho`, a mean over outputs.

    At any time of training, what drives the outputs: `d f(x) / dt = -sum over x' of K(x, x') dR/df(x')` for one output (Rotskoff
    & Vanden-Eijnden 2018). For `m` equal masses, `m` times the empirical NTK of the network `(1/m) sum_i sigma`.
    """
    with precision_of(neurons.positions):
        return _tangent_kernel(units, neurons, jnp.asarray(x))


@eqx.filter_jit
def _tangent_kernel(units: Units, neurons: Neurons, x: Array) -> Array:
    def added(total: Array, neuron: tuple[Array, Array]) -> tuple[Array, None]:
        theta, mass = neuron
        slopes = jax.jacobian(units.unit)(theta, x)
        flat = slopes.reshape(len(x), -1)
        return total + mass * (flat @ flat.T) / units.outputs, None

    positions, masses = jnp.asarray(neurons.positions), jnp.asarray(neurons.masses)
    return jax.lax.scan(added, jnp.zeros((len(x), len(x)), positions.dtype), (positions, masses))[0]


class LazyTraining(NamedTuple):
    """Training at several scales of the output, recorded in time."""

    alphas: Float[np.ndarray, " alphas"]
    times: Float[np.ndarray, " records"]
    risks: Float[np.ndarray, "alphas records"]
    """The loss on the training data, not divided by `alpha^2`."""
    test_risks: Float[np.ndarray, "alphas records"] | None
    """The loss on the test data, if there are any."""
    weight_change: Float[np.ndarray, "alphas records"]
    """`(integral of |w(t) - w(0)|^2 d rho)^(1/2)` relative to that of `w(0)`: of hidden weights and biases of a
    `TwoLayer`, else of all parameters."""
    kernel_change: Float[np.ndarray, "alphas records"]
    """`|K(t) - K(0)| / |K(0)|` for the tangent kernel on the training inputs, in Frobenius' norm."""


def lazy_training(
    risk: EmpiricalRisk,
    neurons: Neurons,
    alphas: Sequence[Any] | np.ndarray,
    times: Times,
    *,
    test: tuple[Any, Any] | None = None,
    tolerance: float = 1e-6,
) -> LazyTraining:
    """The flow of `ScaledRisk` from the same neurons at several scales, from mean-field to lazy training.

    As `alpha` grows, weights move by `O(1/alpha)` and the tangent kernel relative to its size by as much (Chizat, Oyallon & Bach
    2019, theorem 2.4). Where the law of the neurons does not change when all readout weights change sign, the kernel's change of
    first order cancels and it is `O(1/alpha^2)`.

    **Arguments:** `risk`, of the training data, without decay; `neurons`, where they start; `alphas`, positive; `times` and
    `tolerance` as of `flow`; `test`, inputs and targets.

    **Raises:** as `ScaledRisk` and `flow`.
    """
    scales = np.asarray(alphas, np.float64)
    if scales.ndim != 1 or scales.size == 0:
        raise ValueError(f"alphas must be a sequence of at least one number; received {alphas!r}")
    held_out = None if test is None else EmpiricalRisk(risk.units, *test, risk.loss)
    found = [_at_scale(risk, neurons, alpha, times, held_out, tolerance) for alpha in scales]
    risks, tested, weights, kernels = zip(*found, strict=True)
    test_risks = None if held_out is None else np.stack(tested)
    return LazyTraining(
        scales, np.asarray(times, np.float64), np.stack(risks), test_risks, np.stack(weights), np.stack(kernels)
    )


@eqx.filter_jit
def _value(risk: Risk, neurons: Neurons) -> Array:
    return risk(neurons)


def _at_scale(
    risk: EmpiricalRisk,
    neurons: Neurons,
    alpha: float,
    times: Times,
    held_out: EmpiricalRisk | None,
    tolerance: float,
) -> tuple[np.ndarray, Any, np.ndarray, np.ndarray]:
    """Risks, test risks, and changes of weights and kernel."""
    scaled = ScaledRisk(risk, alpha, neurons)
    course = flow(scaled, neurons, times, tolerance=tolerance / max(alpha, 1.0))
    tested = None
    with risk.precision(neurons):
        if held_out is not None:
            test = ScaledRisk(held_out, alpha, neurons)
            tested = alpha**2 * np.asarray([_value(test, course.at(i)) for i in range(len(course.times))])
    start = np.asarray(tangent_kernel(risk.units, neurons, risk.x))
    kernels = [np.asarray(tangent_kernel(risk.units, course.at(i), risk.x)) for i in range(len(course.times))]
    moved = np.stack([np.linalg.norm(kernel - start) for kernel in kernels]) / np.linalg.norm(start)
    weights = risk.units.inputs + risk.units.bias if isinstance(risk.units, TwoLayer) else risk.units.size
    first, later = np.asarray(neurons.positions)[:, :weights], np.asarray(course.positions)[..., :weights]
    masses = np.asarray(neurons.masses)
    size = np.sqrt(masses @ np.square(first).sum(-1))
    change = np.sqrt(np.square(later - first).sum(-1) @ masses) / size
    return alpha**2 * np.asarray(course.risks), tested, change, moved
