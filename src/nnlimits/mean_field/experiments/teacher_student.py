"""How many neurons descent needs to find a network of few neurons."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from nnlimits import nn
from nnlimits.mean_field.certificate import certificate
from nnlimits.mean_field.descent import descent
from nnlimits.mean_field.gaussian_data import Teacher
from nnlimits.mean_field.laws import Sphere
from nnlimits.mean_field.neurons import Neurons
from nnlimits.mean_field.two_layer import TwoLayer
from nnlimits.progress import Advance, ignore
from nnlimits.validation import check_positive

_STARTS = 32


class Verdict(NamedTuple):
    """One run's certificate, and what its direction is worth; of a run that succeeded, after more steps."""

    m: int
    succeeded: bool
    risk: float
    """Relative to that at the start."""
    lowest: float
    gap: float
    lowered: float
    """The share of the risk that adding the best mass of the neuron `direction` takes away; of a success, whose risk is rounding,
    it says nothing.
    """


class TeacherStudent(NamedTuple):
    """The last risks of runs of descent by width, relative to their first."""

    widths: Int[np.ndarray, " n"]
    teacher: int
    """Its width."""
    dimension: int
    risks: Float[np.ndarray, "n seeds"]
    success: float
    """Runs below have found the teacher."""
    verdicts: tuple[Verdict, ...]
    """Of each width's best and worst success, and of its best and worst failure."""

    @property
    def reached(self) -> Int[np.ndarray, " n"]:
        """How many runs of each width have found the teacher."""
        return (self.risks < self.success).sum(1)


def teacher_neurons(dimension: int, width: int, seed: int) -> Neurons:
    """Neurons of equal mass with weights on the sphere, readout weights of alternate signs."""
    with jax.enable_x64(True):
        w = np.asarray(Sphere(dimension).draw(jax.random.key(seed), width, np.float64))
    return Neurons(np.concatenate([w, np.where(np.arange(width) % 2 == 0, 1.0, -1.0)[:, None]], 1))


def teacher_student(
    widths: Sequence[int] = (4, 5, 6, 7, 8, 10, 12, 15, 20),
    *,
    teacher: int = 5,
    dimension: int = 5,
    seeds: int = 20,
    step: float = 2.0,
    steps: int = 30_000,
    success: float = 1e-6,
    more: int = 200_000,
    seed: int = 3,
    advance: Advance = ignore,
) -> TeacherStudent:
    """Descent of m ReLU neurons from the sphere to the network of a teacher, on the population of Gaussian inputs.

    Chizat & Bach 2018, section 4, figure 3: few neurons stall, many do not. Steps are in single precision, risks in double.

    **Arguments:** `widths`, the numbers m; `teacher`, its width; `dimension`, of inputs; `seeds`, runs of each width; `step`, of
    the flow's time, below about 4 to be stable, and how many `steps`; `success`, the risk, relative to the first, below which the
    teacher is found; `more`, steps in double precision that a success goes on for before its certificate: a risk of 1e-6 has a
    first variation of order 1e-3; `seed`, of the teacher and the runs; `advance`, told of each width.

    **Raises:** `ValueError` for numbers out of range.
    """
    check_positive("success", success)
    check_positive("step", step)
    for name, value in (
        ("teacher", teacher),
        ("seeds", seeds),
        ("steps", steps),
        ("more", more),
        *(("widths", m) for m in widths),
    ):
        if isinstance(value, bool) or value < 1:
            raise ValueError(f"{name} must be at least 1; received {value}")
    known, units = teacher_neurons(dimension, teacher, seed), TwoLayer(nn.Relu(), dimension)
    risk = Teacher(units, known)
    rows, verdicts = [], []
    for m in widths:
        keys = jax.random.split(jax.random.key(1000 * seed + m), seeds)
        law = Sphere(dimension + 1)
        starts = np.stack([np.asarray(law.sample(key, m).positions) for key in keys])
        ends = np.asarray(_descended(risk, jnp.asarray(starts), jnp.float32(step), steps), np.float64)
        found = _relative(risk, ends, starts)
        rows.append(found)
        verdicts += _verdicts(risk, starts, ends, found < success, step, more)
        advance(f"{m} neurons")
    return TeacherStudent(np.asarray(widths), teacher, dimension, np.stack(rows), success, tuple(verdicts))


@eqx.filter_jit
def _descended(risk: Teacher, starts: Array, step: Array, steps: int) -> Array:
    return jax.vmap(lambda places: descent(risk, Neurons(places), step, [steps]).positions[-1])(starts)


@eqx.filter_jit
def _risks(risk: Teacher, places: Array) -> Array:
    return jax.vmap(lambda p: risk(Neurons(p)))(places)


def _relative(risk: Teacher, places: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Risks over those at the start."""
    with jax.enable_x64(True):
        now, first = (np.asarray(_risks(risk, jnp.asarray(p, float))) for p in (places, starts))
    return now / first


def _verdicts(
    risk: Teacher, starts: np.ndarray, ends: np.ndarray, succeeded: np.ndarray, step: float, more: int
) -> list[Verdict]:
    """Those of the best and the worst run, of those that succeeded and of the others."""
    found = _relative(risk, ends, starts)
    chosen = []
    for kind in (succeeded, ~succeeded):
        runs = np.flatnonzero(kind)
        ranked = runs[np.argsort(found[runs])]
        chosen += list(dict.fromkeys([*ranked[:1], *ranked[-1:]]))  # one run may be both
    places = ends.copy()
    longer = [i for i in chosen if succeeded[i]]
    if longer:
        with jax.enable_x64(True):
            places[longer] = np.asarray(_descended(risk, jnp.asarray(ends[longer]), jnp.asarray(step, float), more))
    now = _relative(risk, places[chosen], starts[chosen])
    return [_verdict(risk, places[i], bool(succeeded[i]), value) for i, value in zip(chosen, now, strict=True)]


def _verdict(risk: Teacher, places: np.ndarray, succeeded: bool, relative: Any) -> Verdict:
    neurons = Neurons(places)
    mass = float(risk.teacher.average((np.square(risk.teacher.positions)).sum(1)))
    found = certificate(risk, neurons, jax.random.key(0), starts=_STARTS, mass=mass)
    with jax.enable_x64(True):
        one = jnp.asarray(found.direction)[None]
        worth = max(-found.lowest, 0.0) / float(risk.interaction(one, one)[0, 0])  # where the risk is least in its mass
        more = Neurons(np.concatenate([places, found.direction[None]]), np.append(neurons.masses, worth))
        lowered = 1 - float(risk(more)) / max(float(risk(neurons)), np.finfo(float).tiny)
    return Verdict(len(places), succeeded, float(relative), found.lowest, found.gap, lowered)
