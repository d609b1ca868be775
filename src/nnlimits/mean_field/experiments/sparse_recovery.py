"""The neurons of a teacher, found as a sparse measure by conic flow."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from nnlimits import nn
from nnlimits.mean_field.certificate import certificate
from nnlimits.mean_field.conic import conic_flow
from nnlimits.mean_field.experiments.teacher_student import teacher_neurons
from nnlimits.mean_field.laws import Sphere
from nnlimits.mean_field.risk import EmpiricalRisk
from nnlimits.mean_field.two_layer import TwoLayer
from nnlimits.progress import Advance, ignore


class SparseRecovery(NamedTuple):
    """Neurons on the sphere, and the teacher's, brought there."""

    teacher: Float[np.ndarray, "k p"]
    """Directions of the teacher's neurons."""
    teacher_masses: Float[np.ndarray, " k"]
    times: Float[np.ndarray, " records"]
    risks: Float[np.ndarray, " records"]
    positions: Float[np.ndarray, "records m p"]
    masses: Float[np.ndarray, "records m"]
    gaps: Float[np.ndarray, " records"]
    """Certificates: how far the risk may be above the least."""

    @property
    def angles(self) -> Float[np.ndarray, "records m"]:
        """From each neuron to the nearest of the teacher's, in degrees."""
        return np.degrees(np.arccos(np.clip((self.positions @ self.teacher.T).max(-1), -1, 1)))

    def gathered(self, degrees: float) -> Float[np.ndarray, " records"]:
        """The share of all mass within an angle of a neuron of the teacher."""
        return (self.masses * (self.angles < degrees)).sum(1) / self.masses.sum(1)


def sparse_recovery(
    *,
    teacher: int = 5,
    dimension: int = 5,
    m: int = 100,
    examples: int = 400,
    decay: float = 1e-4,
    end: float = 60_000.0,
    seed: int = 3,
    advance: Advance = ignore,
) -> SparseRecovery:
    """Conic flow of neurons from the whole sphere to those of a teacher, whose outputs are known on Gaussian inputs.

    **Arguments:** `teacher`, its width; `dimension`, of inputs; `m` neurons at the start, uniform on the sphere; `examples`;
    `decay`, the price of mass, which makes measures sparse and shifts them by as much; `end`, the last time, recorded with nine
    before; `seed`; `advance`, told of the flow and of each certificate.

    **Raises:** `ValueError` for numbers out of range.

    Chizat 2022, section 5.
    """
    if not end > 1:
        raise ValueError(f"end must be more than 1; received {end!r}")
    known, units = teacher_neurons(dimension, teacher, seed), TwoLayer(nn.Relu(), dimension)
    x = np.random.default_rng(seed).standard_normal((examples, dimension))
    with jax.enable_x64(True):
        y = np.asarray(units.apply(known, x))
    risk = EmpiricalRisk(units, x, y, decay=decay)
    start = Sphere(dimension + 1).sample(jax.random.key(seed), m, np.float64)
    course = conic_flow(risk, start, np.concatenate([[0.0], np.geomspace(1, end, 9)]), tolerance=1e-6)
    advance("conic flow")
    gaps = []
    for record in range(len(course.times)):
        gaps.append(certificate(risk, course.at(record), jax.random.key(seed), starts=64).gap)
        advance("certificates")
    norms = np.linalg.norm(known.positions, axis=1)
    return SparseRecovery(
        known.positions / norms[:, None],
        np.asarray(known.masses) * norms**2,
        np.asarray(course.times),
        np.asarray(course.risks),
        np.asarray(course.positions),
        np.asarray(course.masses),
        np.array(gaps),
    )
