"""How far a network is from a function, measured on points that it was not made from."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from nnlimits.approximation.domain import Box
from nnlimits.approximation.target import Target
from nnlimits.nn.fields import as_integer

HELD_OUT_SEED = 20_240
"""The seed of the held-out set; constructions draw their points with others."""

_BATCH = 2048


class MeasuredError(NamedTuple):
    """The distance on a dense set of points: lower bounds of the sup norm, estimates of the mean ones."""

    sup: float
    """The largest difference."""
    l2: float
    """The root of the mean squared difference, the largest over outputs."""
    worst: Float[np.ndarray, " d"]
    """The point of the largest difference."""
    points: int
    """How many points were looked at."""
    differences: Float[np.ndarray, " points"]
    """The absolute difference at each point, the largest over outputs."""
    shares: Float[np.ndarray, " points"]
    """The part of the domain that each point stands for in means; none for corners, which serve the largest difference."""

    def lp(self, p: float) -> float:
        """The mean of the p-th power of the differences, to the power 1/p."""
        largest = self.sup or 1.0
        return float(largest * np.dot(self.shares, (self.differences / largest) ** p) ** (1 / p))


def measured_error(
    target: Target, network: Callable[[Any], Any], *, points: int = 2**15, seed: int = HELD_OUT_SEED
) -> MeasuredError:
    """The distance between a function and a network on a held-out dense set of the domain.

    **Arguments:** `target`; `network`, from points (n, d) to outputs (n, outputs); `points`, at least so many; `seed`, of
    the set.

    **Raises:** `ValueError` if the network's outputs are of another shape, or not finite.
    """
    if not isinstance(target, Target):
        raise TypeError(f"target must be a Target, such as Target(f, (0, 1)); received {type(target).__name__}")
    held_out = target.domain.dense(as_integer("points", 1, points), seed)
    at_corners = ((held_out == target.domain.lower) | (held_out == target.domain.upper)).all(axis=1)
    shares = np.where(at_corners, 0.0, 1.0 / (~at_corners).sum())
    differences, squares = [], 0.0
    for start in range(0, len(held_out), _BATCH):
        batch = held_out[start : start + _BATCH]
        # batches of one size, so that what is compiled for one serves all
        size = min(_BATCH, len(held_out))
        padded = np.concatenate([batch, np.repeat(batch[-1:], size - len(batch), axis=0)])
        wanted, got = target(padded)[: len(batch)], np.asarray(network(padded), np.float64)[: len(batch)]
        if got.shape != wanted.shape:
            raise ValueError(f"the network's outputs have shape {got.shape}, f's values {wanted.shape}")
        difference = np.abs(got - wanted)
        if not np.isfinite(difference).all():
            place = int(np.argmin(np.isfinite(difference).all(axis=1)))
            raise ValueError(f"the network's output at {batch[place].tolist()} is {got[place].tolist()}")
        differences.append(difference.max(axis=1))
        squares = squares + shares[start : start + len(batch)] @ difference**2
    merged = np.concatenate(differences)
    worst = int(np.argmax(merged))
    return MeasuredError(
        float(merged[worst]), float(np.sqrt(np.max(squares))), held_out[worst], len(held_out), merged, shares
    )


def stratified_error(
    target: Target,
    network: Callable[[Any], Any],
    strata: Sequence[Box],
    *,
    points: int = 2**15,
    seed: int = HELD_OUT_SEED,
) -> MeasuredError:
    """As `measured_error`, with as many points in each of several boxes: for differences that live in small parts of the domain.

    Of several outputs the worst in each box counts.

    **Arguments:** `strata`, boxes that do not overlap and fill the domain; `points`, at least so many in all of them together.

    **Raises:** as `measured_error`.
    """
    each = -(-points // len(strata))
    found = [measured_error(Target(target.function, box), network, points=each, seed=seed) for box in strata]
    parts = np.array([box.volume for box in strata]) / sum(box.volume for box in strata)
    worst = found[int(np.argmax([one.sup for one in found]))]
    return MeasuredError(
        worst.sup,
        float(np.sqrt(sum(part * one.l2**2 for part, one in zip(parts, found, strict=True)))),
        worst.worst,
        sum(one.points for one in found),
        np.concatenate([one.differences for one in found]),
        np.concatenate([part * one.shares for part, one in zip(parts, found, strict=True)]),
    )
