"""How far finitely many neurons, and stochastic steps, are from the mean-field flow."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from nnlimits import nn
from nnlimits.mean_field.convergence import Convergence, convergence, sgd_convergence
from nnlimits.mean_field.distance import sliced_wasserstein
from nnlimits.mean_field.laws import gaussian
from nnlimits.mean_field.risk import EmpiricalRisk
from nnlimits.mean_field.two_layer import TwoLayer
from nnlimits.progress import Advance, ignore

_END, _RECORDS, _TOLERANCE = 4.0, 4, 1e-5
_STEPS_NEURONS = 1024
_X = np.linspace(-2, 2, 16, dtype=np.float32)[:, None]
_PROJECTIONS = 32


class Chaos(NamedTuple):
    """Errors of runs up to one time, by the number of neurons and by the step."""

    sizes: Convergence
    """Of `"risk"`, `"outputs"` and `"sliced distance"`, against many neurons."""
    steps: Convergence | None
    """Of stochastic descent: `"risk"`, `"outputs"`, `"neurons"` and `"sliced distance"`, against the flow of the same neurons."""


def chaos(
    sizes: Sequence[int] = (16, 64, 256, 1024, 4096),
    step_sizes: Sequence[int | float] = (0.1, 0.03, 0.01, 0.003, 0.001),
    *,
    seeds: int = 32,
    reference: int = 65_536,
    step_seeds: int = 32,
    seed: int = 0,
    advance: Advance = ignore,
) -> Chaos:
    """Propagation of chaos for neurons `a tanh(w x + b)` that learn `sin(2 x)` at 16 points, up to time 4.

    Finitely many independent neurons are of the order of `m^(-1/2)` from the limit, one-pass stochastic descent by single
    examples of the order of `sqrt(step)` from the flow (Mei, Montanari & Nguyen 2018, theorem 3). As the risk is not linear in
    the outputs, its error has terms of the next order, `1/m` and `step`, that bend its line where they are not small.

    **Arguments:** `sizes`, numbers of neurons that ascend; `step_sizes`, none to leave stochastic descent (of 1,024 neurons)
    out; `seeds`, runs of each size; `reference`, the number of neurons that stands for infinitely many; `step_seeds`, runs of
    each step; `seed`; `advance`, told of each run.

    **Raises:** `ValueError` for numbers out of range, or fewer than two sizes or steps, through which no line goes.
    """
    for name, scales in (("sizes", sizes), ("step_sizes", step_sizes)):
        if len(set(scales)) == 1 or len(set(scales)) < len(scales):
            raise ValueError(f"{name} must be two or more different numbers, to fit a rate; received {tuple(scales)}")
    risk = EmpiricalRisk(TwoLayer(nn.Tanh(), 1, bias=True), _X, np.sin(2 * _X[:, 0]))
    law, sliced = (
        gaussian(risk.units.size),
        partial(sliced_wasserstein, key=jax.random.key(0), projections=_PROJECTIONS),
    )
    first, second = jax.random.split(jax.random.key(seed))
    options: dict[str, Any] = {
        "x": _X,
        "distances": {"sliced distance": sliced},
        "dtype": np.float32,
        "tolerance": _TOLERANCE,
        "advance": advance,
    }
    times = np.linspace(0, _END, _RECORDS + 1)
    by_size = convergence(risk, law, times, list(sizes), first, seeds=seeds, reference=reference, **options)
    if not len(step_sizes):
        return Chaos(by_size, None)
    by_step = sgd_convergence(
        risk,
        _drawn,
        law,
        _END,
        list(step_sizes),
        second,
        m=_STEPS_NEURONS,
        seeds=step_seeds,
        records=_RECORDS,
        **options,
    )
    return Chaos(by_size, by_step)


def _drawn(key: Any, n: int) -> tuple[Array, Array]:
    """Examples, drawn anew each time from the 16: their risk is that of the population."""
    x = jnp.asarray(_X)[jax.random.randint(key, (n,), 0, len(_X))]
    return x, jnp.sin(2 * x)
