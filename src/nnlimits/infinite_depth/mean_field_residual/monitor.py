"""What theory says of training, measured along the way."""

import itertools
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.infinite_depth.mean_field_residual.certificate import ResidualCertificate, residual_certificate
from nnlimits.infinite_depth.mean_field_residual.course import ResidualCourse
from nnlimits.infinite_depth.mean_field_residual.law import ResidualLaw, check_law
from nnlimits.infinite_depth.mean_field_residual.risk import ResidualRisk, check_risk
from nnlimits.infinite_depth.mean_field_residual.tangent_kernel import spectrum
from nnlimits.progress import Advance, ignore
from nnlimits.validation import check_instance


class Monitor(NamedTuple):
    """Along a first axis of the records of a course."""

    times: Float[np.ndarray, " records"]
    risks: Float[np.ndarray, " records"]
    squared_gradients: Float[np.ndarray, " records"]
    """The squared norm of the gradient in the geometry of the law, with the share of ends that learn."""
    guaranteed: Float[np.ndarray, " records"]
    """`2 lambda_min(K)/N`, which the ratio of the squared gradient to the risk cannot be below, for the loss `"mse"`."""
    conditions: Float[np.ndarray, " records"]
    """`lambda_max(K) / lambda_min(K)` of the tangent kernel; infinite where the least eigenvalue is zero to rounding."""
    movements: Float[np.ndarray, "records layers"]
    """The root mean square distance of neurons from where they were at the first record, at each depth: at least the Wasserstein
    distance of order 2 of the laws."""
    roughness: Float[np.ndarray, " records"]
    """`depth_roughness` of neurons followed from layer to layer."""
    certificates: tuple[ResidualCertificate | None, ...]
    """`None` where `residual_certificate` raises: for other losses, ends that learn, and activations without bounds."""

    @property
    def ratios(self) -> Float[np.ndarray, " records"]:
        """The squared gradient over the risk: while it is at least mu, the risk falls at least as `exp(-mu t)`."""
        return self.squared_gradients / np.maximum(self.risks, np.finfo(float).tiny)

    @property
    def certified(self) -> bool:
        """Whether a certificate holds at any record: then the flow from there reaches zero loss."""
        return any(found is not None and found.certified for found in self.certificates)


def monitor(risk: ResidualRisk, course: ResidualCourse, *, advance: Advance = ignore) -> Monitor:
    """What a course says of its convergence.

    **Arguments:** `risk`, that of the course; the tangent kernel of its examples has as many rows as `y` has entries; `course`;
    `advance`, told of each record.

    **Raises:** `TypeError` for anything else; `ValueError` for a course of another network.
    """
    check_instance("course", course, ResidualCourse)
    check_risk(risk, course.final)
    rows = []
    for law in course.laws:
        rows.append(_look(risk, law, course.laws[0]))
        advance("convergence")
    columns = list(zip(*rows, strict=True))
    gradients, guaranteed, conditions, movements, roughness = (np.asarray(part) for part in columns[:-1])
    times, risks = course.times, course.risks
    return Monitor(times, risks, gradients, guaranteed, conditions, movements, roughness, columns[-1])


def _look(
    risk: ResidualRisk, law: ResidualLaw, start: ResidualLaw
) -> tuple[float, float, float, np.ndarray, float, ResidualCertificate | None]:
    with jax.enable_x64(True):
        double = law.moved(*(jnp.asarray(part, float) for part in (law.particles, law.encoder, law.readout)))
        exact = eqx.tree_at(lambda one: (one.x, one.y), risk, (jnp.asarray(risk.x, float), jnp.asarray(risk.y, float)))
        gradient = float(_dissipation(exact, double))
    eigenvalues = spectrum(double, np.asarray(risk.x, np.float64))
    noise = np.finfo(float).eps * eigenvalues[-1] * len(eigenvalues)
    least = eigenvalues[0] if eigenvalues[0] > noise else 0.0
    condition = eigenvalues[-1] / least if least else np.inf
    try:
        certificate = residual_certificate(risk, law)
    except (NotImplementedError, ValueError):  # it says for which loss, ends and activations there are any
        certificate = None
    return gradient, 2 * least / np.size(risk.y), condition, movement(start, law), depth_roughness(law), certificate


@eqx.filter_jit
def _dissipation(risk: ResidualRisk, law: ResidualLaw) -> Array:
    return risk.velocity(law)[1].dissipation


def movement(first: ResidualLaw, second: ResidualLaw) -> Float[np.ndarray, " layers"]:
    """The root mean square distance of neurons, each from its own place, at each depth.

    **Raises:** `ValueError` for laws of other shapes.
    """
    if first.particles.shape != second.particles.shape:
        raise ValueError(
            f"laws must have the same layers and neurons; received {first.particles.shape} and {second.particles.shape}"
        )
    moved = np.asarray(second.particles, np.float64) - np.asarray(first.particles, np.float64)
    return np.sqrt((moved**2).sum(-1).mean(-1))


def law_movement(first: ResidualLaw, second: ResidualLaw) -> Float[np.ndarray, " layers"]:
    """The Wasserstein distance of order 2 of two laws at each depth: at most `movement`.

    **Raises:** as `movement`.
    """
    from nnlimits.mean_field import Neurons, wasserstein

    movement(first, second)
    pairs = zip(np.asarray(first.particles), np.asarray(second.particles), strict=True)
    return np.asarray([wasserstein(Neurons(a), Neurons(b)) for a, b in pairs])


def depth_roughness(law: ResidualLaw) -> float:
    """`(L^2 mean over neighbouring layers and neurons of |theta_{l+1,m} - theta_{l,m}|^2)^(1/2)`: of neurons followed through
    depth, the norm of their slopes, which has a limit as L grows; of independent ones it grows as L. Zero for one layer.
    """
    check_law(law)
    if law.layers == 1:
        return 0.0
    steps = np.diff(np.asarray(law.particles, np.float64), axis=0)
    return float(law.layers * np.sqrt((steps**2).sum(-1).mean()))


def law_roughness(law: ResidualLaw) -> float:
    """As `depth_roughness`, with the Wasserstein distance of order 2 between neighbouring layers in place of that of followed
    neurons.

    Whatever neurons are called; between independent draws of one law it is the distance of M draws times L.
    """
    from nnlimits.mean_field import Neurons, wasserstein

    check_law(law)
    if law.layers == 1:
        return 0.0
    layers = [Neurons(particles) for particles in np.asarray(law.particles)]
    squares = [wasserstein(a, b) ** 2 for a, b in itertools.pairwise(layers)]
    return float(law.layers * np.sqrt(np.mean(squares)))
