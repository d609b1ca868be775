"""What can go wrong where neurons move, found and named: none with a mass, none that moves, some that run away."""

import warnings
from typing import Any

import numpy as np

from nnlimits.mean_field.course import Course
from nnlimits.mean_field.neurons import Neurons
from nnlimits.mean_field.risk import Risk
from nnlimits.validation import is_traced

_TAME = 2
"""The degree up to which velocities grow no faster than neurons do, where the loss's slope is bounded."""


def check_start(risk: Risk, neurons: Neurons) -> None:
    """Raise `ValueError` for neurons of another size than the risk's, or without any mass."""
    risk.check(neurons)
    if not is_traced(neurons.masses) and not np.any(np.asarray(neurons.masses)):
        raise ValueError(
            f"masses are zero for all {len(neurons)} neurons, so that none has a share in the network and the risk cannot "
            "change; leave masses out for equal ones"
        )


def warn_at_rest(course: Course, stacklevel: int) -> None:
    """A `RuntimeWarning` where no neuron has moved at all, unless the risk is zero."""
    if is_traced(course.dissipated):
        return
    time, dissipated, risk = (float(np.asarray(part)[-1]) for part in (course.times, course.dissipated, course.risks))
    if not (time > 0 and dissipated == 0 and risk > 0):
        return
    warnings.warn(
        f"no neuron moved: all velocities are zero at the start, where the risk is {risk:.4g}. Neurons are at "
        "a stationary point if all their weights are zero, if their activation is flat at all examples, or if all inputs are "
        "zero; draw them from a law with a spread in all parameters, such as gaussian(risk.units.size), or ask certificate "
        "whether this is the best measure",
        RuntimeWarning,
        stacklevel=stacklevel + 1,
    )


def extent(positions: Any, masses: Any) -> str:
    """How large neurons are, for messages."""
    with np.errstate(all="ignore"):
        longest = np.sqrt(np.square(np.asarray(positions, np.float64)).sum(-1).max())
    return f"the longest has length {longest:.3g} and all a mass of {np.asarray(masses, np.float64).sum():.3g}"


def why_they_run(risk: Risk) -> str:
    """The reason that the kind of neurons suggests, and what helps."""
    degree = risk.units.degree
    reason = "as they do under a loss without a lower bound"
    if degree is not None and degree > _TAME:
        reason += (
            f", and as neurons of degree {degree:g}, whose velocities grow as the power {degree - 1:g} of their length, "
            "can in finite time"
        )
    return (
        reason
        + "; give decay, a loss that is bounded below, an activation that grows less, or smaller neurons at the start"
    )
