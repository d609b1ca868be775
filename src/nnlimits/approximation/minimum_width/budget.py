"""How many bits: those given, or the fewest layers that reach a tolerance."""

from typing import NamedTuple

import numpy as np

from nnlimits.approximation.minimum_width.bound import Parts, parts, ramp_share
from nnlimits.approximation.minimum_width.claims import Claimed
from nnlimits.approximation.minimum_width.encoder import cell_centres
from nnlimits.approximation.minimum_width.memorizer import memorizer_depth
from nnlimits.approximation.minimum_width.precision import Bits, check_bits, largest_bits, ramp_bits
from nnlimits.approximation.target import Target, check_tolerance
from nnlimits.nn.fields import as_integer

_SAMPLES = 2**15
_SURE = 4.0
"""Standard errors added to means over samples."""
_MOST_CELLS = 2**20


class Budget(NamedTuple):
    """What the number of bits is chosen by."""

    target: Target
    claims: Claimed
    p: float
    dtype: np.dtype
    depth_limit: int

    def depth(self, input_bits: int, output_bits: int) -> int:
        """The number of hidden layers."""
        d, outputs = self.target.domain.dimension, self.target.outputs
        encoder = 2 + 2 * d * (2**input_bits - 1)
        return encoder + memorizer_depth(2 ** (d * input_bits)) + 2 * (outputs - 1) * (2**output_bits - 1)

    def parts(self, bits: Bits) -> Parts:
        """What the bound of the L^p distance is made of."""
        domain = self.target.domain
        found = self.target(cell_centres(domain, bits.inputs))
        low, high = found.min(axis=0), found.max(axis=0)
        if self.claims.claims is None:
            return self._sampled(bits, found, low, high)
        if self.claims.claims.jumps:
            low, high = self._everywhere(low, high)
        return parts(domain, self.claims.claims, bits, low, high, self.p, self.dtype)

    def _everywhere(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of the values on the whole domain: claimed, or seen."""
        if self.claims.values is not None:
            return np.full_like(low, self.claims.values[0]), np.full_like(high, self.claims.values[1])
        seen = self.target(self.target.domain.dense(_SAMPLES, seed=5))
        return np.minimum(low, seen.min(axis=0)), np.maximum(high, seen.max(axis=0))

    def _sampled(self, bits: Bits, found: np.ndarray, low: np.ndarray, high: np.ndarray) -> Parts:
        """From the distance of samples to the values of their cells."""
        domain = self.target.domain
        points = domain.dense(_SAMPLES, seed=5)
        along = np.clip((points - domain.lower) / domain.sides * 2**bits.inputs, 0, 2**bits.inputs - 1).astype(int)
        cell = np.ravel_multi_index(tuple(along.T), (2**bits.inputs,) * domain.dimension)
        values = self.target(points)
        powers = np.abs(values - found[cell]).max(axis=1) ** self.p
        mean = powers.mean() + _SURE * powers.std() / np.sqrt(len(points))
        everywhere = np.minimum(low, values.min(axis=0)), np.maximum(high, values.max(axis=0))
        gap = float(np.max(everywhere[1] - everywhere[0]))
        quantum = float(np.max(high - low)) / (2**bits.outputs - 1) / 2
        return Parts(float(mean ** (1 / self.p)), quantum, ramp_share(domain, bits, self.dtype), gap)


def budget_of(limits: Budget, bits: int, output_bits: int | None) -> Bits:
    """The bits that are given, those of outputs chosen such that half a step is a small part of the bound.

    **Raises:** `ValueError` for more than the precision or the limit of the depth allows.
    """
    input_bits = as_integer("bits", 1, bits)
    d, outputs = limits.target.domain.dimension, limits.target.outputs
    most = largest_bits(d, outputs, limits.dtype)[1]
    if output_bits is None:
        check_bits(input_bits, 1, d, outputs, limits.dtype)
        _check_depth(limits, input_bits, 1)
        found = limits.parts(Bits(input_bits, most, ramp_bits(input_bits, limits.dtype)))
        wanted = found.total(limits.p) / 8
        span = 2 * (2**most - 1) * found.quantum
        fewest = int(np.clip(np.ceil(np.log2(span / max(wanted, 1e-300) / 2 + 1)), 1, most)) if span > 0 else 1
        output_bits = most if outputs == 1 else fewest
    chosen = check_bits(input_bits, as_integer("output_bits", 1, output_bits), d, outputs, limits.dtype)
    _check_depth(limits, chosen.inputs, chosen.outputs)
    return chosen


def _check_depth(limits: Budget, input_bits: int, output_bits: int) -> None:
    depth = limits.depth(input_bits, output_bits)
    if depth <= limits.depth_limit:
        return
    fitting = [bits for bits in range(1, input_bits) if limits.depth(bits, 1) <= limits.depth_limit]
    reachable = (
        f"bits={fitting[-1]} is the most within the limit" if fitting else "no number of bits is within the limit"
    )
    raise ValueError(
        f"{input_bits} bits of each input and {output_bits} of each output make {depth} layers, more than "
        f"depth_limit={limits.depth_limit}; {reachable}"
    )


def budget_for(limits: Budget, tolerance: float | None, output_bits: int | None) -> Bits:
    """The bits with the fewest layers whose bound is at most the tolerance.

    **Raises:** `ValueError` if there are none within the digits and the limit of the depth, with the least bound there is.
    """
    assert tolerance is not None
    d, outputs = limits.target.domain.dimension, limits.target.outputs
    scale = float(np.abs(limits.target(limits.target.domain.dense(1024, seed=5))).max())
    check_tolerance(tolerance, scale, limits.dtype)
    most_in, most_out = largest_bits(d, outputs, limits.dtype)
    best, least = None, np.inf
    for input_bits in range(1, most_in + 1):
        if limits.depth(input_bits, 1) > limits.depth_limit or d * input_bits > np.log2(_MOST_CELLS):
            break
        for bits in _choices(limits, input_bits, output_bits, most_out):
            bound = limits.parts(bits).total(limits.p)
            least = min(least, bound)
            depth = limits.depth(bits.inputs, bits.outputs)
            if bound <= tolerance and (best is None or depth < best[0]):
                best = depth, bits
    if least == np.inf:
        raise ValueError(
            f"no number of bits is within depth_limit={limits.depth_limit}: one bit of each of {d} inputs takes "
            f"{limits.depth(1, 1):,} layers; give a depth_limit as large"
        )
    if best is None:
        raise ValueError(
            f"tolerance={tolerance:g} is not reached with {np.dtype(limits.dtype).name} and depth_limit={limits.depth_limit}: "
            f"the least bound there is {least:.3g}; take a larger tolerance or depth_limit"
        )
    return best[1]


def _choices(limits: Budget, input_bits: int, output_bits: int | None, most: int) -> list[Bits]:
    """Bits of outputs that the depth allows; all that there are for one output, where they cost nothing."""
    ramps = ramp_bits(input_bits, limits.dtype)
    if output_bits is not None:
        d, outputs = limits.target.domain.dimension, limits.target.outputs
        bits = check_bits(input_bits, as_integer("output_bits", 1, output_bits), d, outputs, limits.dtype)
        return [bits] if limits.depth(bits.inputs, bits.outputs) <= limits.depth_limit else []
    if limits.target.outputs == 1:
        return [Bits(input_bits, most, ramps)]
    fitting = (bits for bits in range(1, most + 1) if limits.depth(input_bits, bits) <= limits.depth_limit)
    return [Bits(input_bits, bits, ramps) for bits in fitting]
