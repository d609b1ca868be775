"""Propagation of chaos, measured: finitely many neurons against many, and stochastic steps against the flow."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from nnlimits.mean_field.course import Course
from nnlimits.mean_field.descent import Sampler, sgd
from nnlimits.mean_field.flow import Times, flow
from nnlimits.mean_field.laws import Law
from nnlimits.mean_field.neurons import Neurons
from nnlimits.mean_field.risk import Risk
from nnlimits.progress import Advance, ignore
from nnlimits.rates import FittedRate, fitted_rate
from nnlimits.validation import check_positive

Distance = Callable[[Neurons, Neurons], float]
"""Between a population and the reference's."""


class Convergence(NamedTuple):
    """Errors of several runs at each of several scales."""

    scales: Float[np.ndarray, " scales"]
    """Numbers of neurons, or step sizes."""
    times: Float[np.ndarray, " records"]
    reference_risks: Float[np.ndarray, " records"]
    risks: Float[np.ndarray, "scales seeds records"]
    errors: Mapping[str, Float[np.ndarray, "scales seeds"]]
    """By name: `"risk"`, the largest difference of risks over the records; `"outputs"`, the largest over the records of the root
    mean square difference of outputs; and distances of the populations at the last time."""

    def rate(self, name: str, *, confidence: float = 0.95) -> FittedRate:
        """The power law of one error, with bootstrap intervals."""
        return fitted_rate(self.scales, self.errors[name], confidence=confidence)


def convergence(
    risk: Risk,
    law: Law,
    times: Times,
    sizes: Sequence[int],
    key: PRNGKeyArray,
    *,
    seeds: int = 16,
    reference: int = 65_536,
    x: Any = None,
    distances: Mapping[str, Distance] | None = None,
    dtype: Any = np.float64,
    tolerance: float = 1e-6,
    advance: Advance = ignore,
) -> Convergence:
    """The flow of few neurons, drawn independently from a law, against that of many.

    Outputs and risks fall as `m^(-1/2)` on bounded times (Mei, Montanari & Nguyen 2018, theorem 3; Rotskoff & Vanden-Eijnden
    2018), and so does the distance of the populations where they have one parameter, or where it is sliced; the full distance
    does not in more than two: see `wasserstein`. Where the risk approaches its minimum, its differences turn to `m^(-1)`.

    **Arguments:** `risk`; `law`; `times` and `tolerance` as of `flow`; `sizes`, numbers of neurons; `key`, a JAX random key;
    `seeds`, runs of each size; `reference`, the reference's number of neurons, whose own error goes into all: 16 times the
    largest size adds 3 % there; `x`, inputs at which outputs are compared, if any; `distances`, by name, such as
    `{"distance": wasserstein}`, at the last time; `dtype`; `advance`, told of each run.

    **Raises:** as `flow`; `ValueError` for numbers out of range.
    """
    scales = _counts("sizes", sizes)
    _counts("seeds", [seeds])
    if reference <= scales.max():
        raise ValueError(
            f"reference must be more neurons than the largest size, {scales.max():g}; received {reference}"
        )
    first, *keys = jax.random.split(key, 1 + len(scales) * seeds)

    def run(key: PRNGKeyArray, m: int) -> Course:
        found = flow(risk, law.sample(key, m, dtype), times, tolerance=tolerance)
        advance(f"{m} neurons")
        return found

    known = run(first, int(reference))
    found = [run(key, int(m)) for key, m in zip(keys, np.repeat(scales, seeds), strict=True)]
    return _compared(risk, scales, [known] * len(found), found, x, distances or {})


def sgd_convergence(
    risk: Risk,
    sampler: Sampler,
    law: Law,
    time: float,
    step_sizes: Sequence[float],
    key: PRNGKeyArray,
    *,
    m: int = 1024,
    seeds: int = 8,
    records: int = 4,
    batch_size: int = 1,
    loss: Any = "mse",
    x: Any = None,
    distances: Mapping[str, Distance] | None = None,
    dtype: Any = np.float64,
    tolerance: float = 1e-6,
    advance: Advance = ignore,
) -> Convergence:
    """One-pass stochastic descent against the flow from the same neurons, as the step size falls.

    Outputs, the moves of neurons and the distance of populations fall as `sqrt(step)` (Mei, Montanari & Nguyen 2018, theorem 3),
    whatever `m`: the noise of an example is common to all neurons, and averages over `time / step` examples.

    **Arguments:** `risk`, of the flow; `sampler`, of fresh examples whose population risk that is; `law`; `time`, up to which;
    `step_sizes`, which are changed a little so that each divides the time between records; `m`, the number of neurons; `seeds`,
    each with neurons and examples of its own; `records`, at equal times; `batch_size` and `loss` as of `sgd`; `x`, `distances`,
    `dtype`, `tolerance` and `advance` as of `convergence`.

    **Returns:** a `Convergence` with one more error, `"neurons"`: the root mean square over neurons of how far each is from
    where the flow takes it, at the last time; at least the Wasserstein distance of the populations.

    **Raises:** as `sgd` and `flow`; `ValueError` for numbers out of range.
    """
    _counts("seeds, records and m", [seeds, records, m])
    check_positive("time", time)
    for size in step_sizes:
        check_positive("every entry of step_sizes", size)
    per_record = np.asarray([max(round(time / records / size), 1) for size in step_sizes])
    scales = time / records / per_record
    times = np.linspace(0, time, records + 1)
    known, found = [], []
    starts = [law.sample(k, m, dtype) for k in jax.random.split(jax.random.fold_in(key, 0), seeds)]
    flows = [flow(risk, start, times, tolerance=tolerance) for start in starts]
    for index, (size, count) in enumerate(zip(scales, per_record, strict=True)):
        keys = jax.random.split(jax.random.fold_in(key, 1 + index), seeds)
        steps = count * np.arange(records + 1)
        for start, known_flow, k in zip(starts, flows, keys, strict=True):
            options = {"batch_size": batch_size, "loss": loss, "risk": risk}
            found.append(sgd(risk.units, sampler, start, float(size), steps, k, **options))
            known.append(known_flow)
            advance(f"step {size:.3g}")
    return _compared(risk, scales, known, found, x, {"neurons": _moves, **(distances or {})})


def _moves(first: Neurons, second: Neurons) -> float:
    """The root mean square distance of each neuron from its partner."""
    squares = np.square(np.asarray(first.positions) - np.asarray(second.positions)).sum(1)
    return float(np.asarray(first.masses) @ squares) ** 0.5


def _compared(
    risk: Risk,
    scales: np.ndarray,
    known: Sequence[Course],
    found: Sequence[Course],
    x: Any,
    distances: Mapping[str, Distance],
) -> Convergence:
    """Errors of each run from what is known of it; runs come scale by scale, the same number of each."""

    def by_scale(values: Any) -> np.ndarray:
        values = np.asarray(values, np.float64)
        return values.reshape(len(scales), -1, *values.shape[1:])

    pairs = list(zip(found, known, strict=True))
    errors = {"risk": [np.abs(np.asarray(a.risks) - np.asarray(b.risks)).max() for a, b in pairs]}
    if x is not None:
        outputs = {id(course): _outputs(risk, course, x) for course in [*found, *known]}
        gaps = [outputs[id(a)] - outputs[id(b)] for a, b in pairs]
        errors["outputs"] = [np.sqrt(np.square(gap).mean((1, 2))).max() for gap in gaps]
    for name, distance in distances.items():
        errors[name] = [distance(a.final, b.final) for a, b in pairs]
    return Convergence(
        np.asarray(scales, np.float64),
        np.asarray(known[0].times, np.float64),
        np.mean([np.asarray(b.risks, np.float64) for b in known], axis=0),
        by_scale([a.risks for a in found]),
        {name: by_scale(values) for name, values in errors.items()},
    )


def _outputs(risk: Risk, course: Course, x: Any) -> np.ndarray:
    with risk.precision(course.at(0)):
        return np.stack([np.asarray(risk.units.apply(course.at(i), x)) for i in range(len(course.times))])


def _counts(name: str, values: Sequence[Any]) -> np.ndarray:
    counts = np.asarray(values)
    if counts.ndim != 1 or counts.size == 0 or counts.dtype.kind not in "iu" or (counts < 1).any():
        raise ValueError(f"{name} must be whole numbers of at least 1; received {values!r}")
    return counts
