"""A sufficient condition for the gradient flow to reach zero loss, checked with numbers at one law."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.infinite_depth.mean_field_residual.derivative_bounds import DerivativeBounds, derivative_bounds
from nnlimits.infinite_depth.mean_field_residual.law import ResidualLaw
from nnlimits.infinite_depth.mean_field_residual.risk import ResidualRisk
from nnlimits.infinite_depth.mean_field_residual.tangent_kernel import Backward, backward, spectrum
from nnlimits.predict.losses import mse

_SMALLEST, _LARGEST, _SEARCHED = 1e-100, 10.0, 40
"""Radii between which the best is sought, and how many are tried."""
_ROUNDING = 10
"""Of eigenvalues, in units of the precision of the largest times their number."""
_GOLDEN = (np.sqrt(5) - 1) / 2

Slopes = list[tuple[np.ndarray, np.ndarray]]
"""The activation and its derivative at each layer's neurons and states, (M, n)."""


class ResidualCertificate(NamedTuple):
    """Whether zero loss is proved to be reached from a law, and the numbers of the proof."""

    certified: bool
    residual: float
    """`|F(x) - y|`, the Euclidean norm over all entries, at the law."""
    threshold: float
    """The largest residual that would be certified with this kernel: the largest of `R sigma_R^2 / G_R` over radii R; zero where
    the kernel is singular to rounding, and where neurons are so large that no radius from 1e-100 on leaves `sigma_R` positive."""
    radius: float
    """The R at which it is found: certified, no neuron ever moves farther; zero where the threshold is."""
    rate: float
    """`2 sigma_R^2 / N`: certified, the risk is at most `exp(-rate t)` times that at the law."""
    smallest_eigenvalue: float
    """Of the tangent kernel at the law, `sigma_0^2`."""
    largest_eigenvalue: float


def residual_certificate(risk: ResidualRisk, law: ResidualLaw) -> ResidualCertificate:
    """Does the gradient flow from `law` reach zero loss? By a local inequality of Polyak and Lojasiewicz.

    As long as no neuron has moved farther than R, the smallest singular value of the derivative of the outputs in the law is at
    least `sigma_R`, so that the risk falls at least as `exp(-2 sigma_R^2 t / N)`, and each neuron moves at most at `G_R` times
    the residual over N. All its way is then at most `G_R |residual| / sigma_R^2`: if that is below R, it never leaves, and the
    risk goes to zero. That is the argument of Barboni, Peyre & Vialard 2022 for residuals linear in the trained parameters, and
    of Chatterjee 2022 in general, in the largest norm over neurons. `sigma_R` and `G_R` follow from the law's own kernel and
    states and from bounds of the activation's derivatives by the lemma of Gronwall, with no unknown constant; they do not
    depend on L and M but through those.

    It is sufficient, not necessary: it asks for a small loss at the start or a large readout. What Lu et al. 2020 and Ding et
    al. 2022 ask instead, full support of the law in the limit, no finite network has, and it promises zero loss only if the flow
    converges.

    **Arguments:** `risk`, of the loss `"mse"`; `law`, whose ends are fixed.

    **Raises:** `ValueError` for another loss or ends that learn; `NotImplementedError` for an activation without
    `derivative_bounds`.
    """
    risk.check(law)
    if risk.loss is not mse:
        raise ValueError('a certificate is for loss="mse"; give the risk that loss')
    if any(law.rates):
        raise ValueError(f"a certificate is for a fixed encoder and readout; received {law.rates}")
    bounds = derivative_bounds(law.unit.activation)
    with jax.enable_x64(True):
        double = law.moved(*(jnp.asarray(part, jnp.float64) for part in (law.particles, law.encoder, law.readout)))
        x = jnp.asarray(risk.x, jnp.float64)
        residual = float(jnp.linalg.norm(double.outputs(x) - jnp.asarray(risk.y)))
        eigenvalues = spectrum(double, np.asarray(x))
        least = eigenvalues[0] - _ROUNDING * len(eigenvalues) * np.finfo(float).eps * eigenvalues[-1]
        if least <= 0:
            return ResidualCertificate(False, residual, 0.0, 0.0, 0.0, float(eigenvalues[0]), float(eigenvalues[-1]))
        parts = backward(double, x)
        sigma = np.sqrt(least)
        slopes = _slopes(double, parts)

    def threshold(radius: float) -> tuple[float, float]:
        change, pull = _at_radius(double, parts, slopes, bounds, radius)
        if not (np.isfinite(pull) and change < sigma):  # also where the recursions overflow: then they bound nothing
            return 0.0, 0.0
        below = sigma - change
        return radius * below**2 / pull, below

    radius = _best_radius(lambda radius: threshold(radius)[0])
    largest, below = threshold(radius)
    radius = radius if largest > 0 else 0.0
    return ResidualCertificate(
        bool(residual < largest),
        residual,
        float(largest),
        float(radius),
        float(2 * below**2 / np.size(risk.y)),
        float(eigenvalues[0]),
        float(eigenvalues[-1]),
    )


def _best_radius(value: Callable[[float], float]) -> float:
    """Of the largest value, which rises with the radius and then falls, to zero: by golden sections of its logarithm."""
    low, high = np.log(_SMALLEST), np.log(_LARGEST)
    middles = [high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)]
    values = [value(float(np.exp(middle))) for middle in middles]
    for _ in range(_SEARCHED):
        if values[0] >= values[1]:  # also where both are zero: the largest is below
            high = middles[1]
            middles = [high - _GOLDEN * (high - low), middles[0]]
            values = [value(float(np.exp(middles[0]))), values[0]]
        else:
            low = middles[0]
            middles = [middles[1], low + _GOLDEN * (high - low)]
            values = [values[1], value(float(np.exp(middles[1])))]
    return float(np.exp(middles[int(np.argmax(values))]))


def jacobian_bounds(law: ResidualLaw, x: Float[Array, "n inputs"], radius: float) -> tuple[float, float]:
    """Of all laws whose neurons are at most `radius` from those of `law`: how far the derivative of the outputs is from that at
    `law`, in the operator norm from the mean square over neurons, and how large its part in any one neuron is.
    """
    parts = backward(law, x)
    return _at_radius(law, parts, _slopes(law, parts), derivative_bounds(law.unit.activation), radius)


def _at_radius(
    law: ResidualLaw, parts: Backward, slopes: Slopes, bounds: DerivativeBounds, radius: float
) -> tuple[float, float]:
    """By a recursion for the states forward, and one for their adjoints backward; infinite or NaN where they overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        return _recursions(law, parts, slopes, bounds, radius)


def _recursions(
    law: ResidualLaw, parts: Backward, slopes: Slopes, bounds: DerivativeBounds, radius: float
) -> tuple[float, float]:
    w, _, a = (np.asarray(part, np.float64) for part in law.unit.split(law.particles))
    states, adjoints = np.asarray(parts.states), np.asarray(parts.adjoints)
    w_norms, a_norms = np.linalg.norm(w, axis=-1), np.linalg.norm(a, axis=-1)
    wide_w, wide_a = w_norms + radius, a_norms + radius
    lipschitz = bounds.slope * (wide_w * wide_a).mean(-1)
    state_norms, pull_norms = np.linalg.norm(states, axis=-1), np.linalg.norm(adjoints, axis=-1)
    inputs = np.sqrt(state_norms**2 + law.unit.bias)  # of what (w, b) multiply
    layers = range(law.layers)
    shift, shifts = np.zeros(states.shape[1]), []
    arguments = []
    for layer in layers:
        shifts.append(shift)
        arguments.append(radius * inputs[layer] + wide_w[layer][:, None] * shift)  # |change of <w, x> + b|, (M, n)
        direct = radius * np.sqrt(bounds.value**2 + (bounds.slope * wide_a[layer][:, None] * inputs[layer]) ** 2)
        shift = shift + (direct.mean(0) + lipschitz[layer] * shift) / law.layers
    pull = np.zeros(adjoints.shape[1:3])
    square, largest = 0.0, 0.0
    for layer in reversed(layers):
        change = _gradient_change(
            bounds, radius, wide_a[layer], state_norms[layer], pull_norms[layer], pull,
            arguments[layer], shifts[layer], law.unit.bias,
        )  # fmt: skip
        here = _gradient_norms(slopes[layer], a[layer], adjoints[layer], inputs[layer])
        square += (change**2).mean(0).sum() / law.layers
        largest = max(largest, float((np.sqrt((here**2).sum((1, 2))) + np.sqrt((change**2).sum((1, 2)))).max()))
        turned = bounds.slope * radius * (a_norms[layer] + wide_w[layer])[:, None]
        turned = turned + bounds.curvature * (wide_w[layer] * wide_a[layer])[:, None] * arguments[layer]
        pull = pull + (turned.mean(0)[:, None] * pull_norms[layer] + lipschitz[layer] * pull) / law.layers
    return float(np.sqrt(square)), largest


def _slopes(law: ResidualLaw, parts: Backward) -> Slopes:
    w, b, _ = law.unit.split(law.particles)

    def at(w: Array, b: Array, state: Array) -> tuple[Array, Array]:
        before = w @ state.T + b[:, None]
        after, pullback = jax.vjp(law.unit.activation, before)
        return after, pullback(jnp.ones_like(before))[0]

    after, slope = jax.vmap(at)(w, b, parts.states)
    return list(zip(np.asarray(after), np.asarray(slope), strict=True))


def _gradient_norms(
    slopes: tuple[np.ndarray, np.ndarray], a: np.ndarray, adjoints: np.ndarray, inputs: np.ndarray
) -> Float[np.ndarray, "m n o"]:
    """Of `grad_theta <p, f(X, theta)>` at the law."""
    after, slope = slopes
    readouts = after[:, :, None] * np.linalg.norm(adjoints, axis=-1)
    weights = np.einsum("md,iod->mio", a, adjoints) * (slope * inputs)[:, :, None]
    return np.sqrt(readouts**2 + weights**2)


def _gradient_change(
    bounds: DerivativeBounds,
    radius: float,
    wide_a: np.ndarray,
    states: np.ndarray,
    pulls: np.ndarray,
    pull_change: np.ndarray,
    argument: np.ndarray,
    state_change: np.ndarray,
    bias: bool,
) -> Float[np.ndarray, "m n o"]:
    """A bound of the change of `grad_theta <p, f(X, theta)>`, its parts `phi p`, `<a, p> phi' X` and `<a, p> phi'`."""
    argument, wide_a = argument[:, :, None], wide_a[:, None, None]
    wide_pulls = pulls + pull_change
    readouts = bounds.slope * argument * pulls + bounds.value * pull_change
    products = radius * pulls + wide_a * pull_change  # of <a, p>
    turned = bounds.slope * products + bounds.curvature * argument * wide_a * wide_pulls  # of <a, p> phi'
    weights = turned * states[:, None] + bounds.slope * wide_a * wide_pulls * state_change[:, None]
    return np.sqrt(readouts**2 + weights**2 + bias * turned**2)
