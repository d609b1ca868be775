"""How fast finite networks of several layers approach their limit, measured."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from nnlimits.mean_field.convergence import Convergence
from nnlimits.mean_field.layered import Layered
from nnlimits.mean_field.layered_flow import LayeredCourse, layered_flow
from nnlimits.progress import Advance, ignore
from nnlimits.validation import check_same_dtype

Draw = Callable[[PRNGKeyArray, int], Layered]
"""From a key and a width to a finite network."""


def layered_convergence(
    draw: Draw,
    limit: Layered,
    x: Any,
    y: Any,
    times: Sequence[float],
    widths: Sequence[int],
    key: PRNGKeyArray,
    *,
    seeds: int = 12,
    tolerance: float = 1e-4,
    limit_tolerance: float = 1e-6,
    advance: Advance = ignore,
) -> Convergence:
    """The flow of finite networks against that of the limit: errors fall as the root of the width (Pham & Nguyen 2021).

    **Arguments:** `draw(key, width)`, a network with hidden layers of that width; `limit`, that of a quadrature rule; `x`, `y`
    and `times` as of `layered_flow`, the data in the precision of the networks, `limit` in that or a higher one; `widths`; `key`,
    a JAX random key; `seeds`, networks of each width; `tolerance` and `limit_tolerance`, of the solver; `advance`, told of each
    width.

    **Returns:** a `Convergence`, whose errors are the root mean square differences of outputs at each time, by names such as
    `"outputs at time 2"`, and `"risk"`, the largest difference of the risks over the times.

    **Raises:** `ValueError` for numbers out of range; as `layered_flow`.
    """
    counts = np.asarray([*widths, seeds])
    if counts.dtype.kind not in "iu" or (counts < 1).any() or len(counts) < 2:
        raise ValueError(f"widths and seeds must be whole numbers of at least 1; received {widths!r} and {seeds!r}")
    precise = limit.weights[0].dtype
    known = layered_flow(limit, np.asarray(x, precise), np.asarray(y, precise), times, tolerance=limit_tolerance)
    expected, found = _outputs(limit, known, np.asarray(x, precise)), []
    advance("limit")
    for i, width in enumerate(map(int, widths)):
        for own in jax.random.split(jax.random.fold_in(key, i), seeds):
            network = draw(own, width)
            check_same_dtype(x=x, weights=network.weights[0])
            course = layered_flow(network, x, y, times, tolerance=tolerance)
            gaps = np.sqrt(np.square(_outputs(network, course, x) - expected).mean((1, 2)))
            found.append((np.asarray(course.risks, np.float64), gaps))
        advance(f"width {width}")
    risks, gaps = (np.stack(part).reshape(len(widths), seeds, -1) for part in zip(*found, strict=True))
    reference = np.asarray(known.risks, np.float64)
    return Convergence(
        np.asarray(widths, np.float64),
        np.asarray(times, np.float64),
        reference,
        risks,
        _errors(times, gaps, risks - reference),
    )


def _errors(times: Sequence[float], gaps: np.ndarray, risks: np.ndarray) -> Mapping[str, np.ndarray]:
    outputs = {f"outputs at time {time:g}": gaps[:, :, record] for record, time in enumerate(times)}
    return {**outputs, "risk": abs(risks).max(-1)}


def _outputs(network: Layered, course: LayeredCourse, x: Any) -> np.ndarray:
    return np.stack([np.asarray(course.at(network, i)(x), np.float64) for i in range(len(course.times))])
