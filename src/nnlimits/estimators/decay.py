"""The decay of a trained network, chosen by what it predicts of examples that it has not seen."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nnlimits.mean_field.neurons import Neurons
from nnlimits.mean_field.risk import EmpiricalRisk

DECAYS = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5)
_FEWEST = 10
"""Examples below which none are held out."""
_USUAL = 3e-3
_SHARE = 5
"""One example of so many is held out."""
_DEAD = 1e-2
"""Of the mean square of the neurons' parameters at the start: less is left where decay outweighs the data."""


def choose_decay(
    risk: EmpiricalRisk,
    start: Neurons,
    train: Callable[[EmpiricalRisk, Neurons], Neurons],
    random: np.random.RandomState,
    decays: Sequence[float] = DECAYS,
) -> float:
    """The decay whose neurons have the least loss on a fifth of the examples, held out at random.

    From the largest on, each trained from where the one before ended, until two in a row are worse than the best. Where decay has
    led all neurons to zero, from which they cannot return, the next begins at the start.

    **Arguments:** `risk`, of all examples; `start`, neurons; `train`, from a risk and neurons to trained ones; `random`;
    `decays`, which descend.
    """
    n = len(risk.x)
    if n < _FEWEST:
        return _USUAL
    order = random.permutation(n)
    held, kept = order[: n // _SHARE], order[n // _SHARE :]
    test = _on(risk, held, 0.0)
    best, chosen, worse, neurons = np.inf, decays[-1], 0, start
    for decay in decays:
        neurons = train(_on(risk, kept, decay), neurons)
        if _size(neurons) < _DEAD * _size(start):
            neurons = start
            continue
        with test.precision(neurons):
            loss = float(test(neurons))
        if loss < best:
            best, chosen, worse = loss, decay, 0
        else:
            worse += 1
        if worse == 2:
            break
    return chosen


def _size(neurons: Neurons) -> float:
    return float(np.square(np.asarray(neurons.positions)).mean())


def _on(risk: EmpiricalRisk, rows: Any, decay: float) -> EmpiricalRisk:
    return EmpiricalRisk(risk.units, np.asarray(risk.x)[rows], np.asarray(risk.y)[rows], risk.loss, decay)
