"""The theorem: any function in L^p by a ReLU network of width max(d_in + 1, d_out)."""

from typing import Any

import numpy as np
from jaxtyping import Float

from nnlimits.approximation.approximation import Approximation, approximation
from nnlimits.approximation.certificate import Certificate
from nnlimits.approximation.minimum_width.bound import Parts
from nnlimits.approximation.minimum_width.budget import Budget, budget_for, budget_of
from nnlimits.approximation.minimum_width.claims import check_exponent, claimed
from nnlimits.approximation.minimum_width.decoder import decoder, joined
from nnlimits.approximation.minimum_width.encoder import cell_centres, encoder
from nnlimits.approximation.minimum_width.layers import Layers
from nnlimits.approximation.minimum_width.memorizer import memorizer
from nnlimits.approximation.minimum_width.precision import Bits, mantissa_of
from nnlimits.approximation.target import Target, as_target
from nnlimits.nn.fields import as_integer

THEOREM = "Park, Yun, Lee & Shin (2021), Theorem 1"


def minimum_width(
    f: Any,
    domain: Any = None,
    *,
    tolerance: float | None = None,
    bits: int | None = None,
    output_bits: int | None = None,
    p: float = 2.0,
    lipschitz: float | None = None,
    jumps: float | None = None,
    values: tuple[float, float] | None = None,
    dtype: Any = np.float64,
    depth_limit: int = 2**15,
) -> Approximation:
    """A ReLU network of width max(d_in + 1, d_out), close to a function in L^p.

    Park, Yun, Lee & Shin (2021), Theorem 1, for the uniform probability measure on a box: an encoder takes a point to the
    number of its cell, of 2^K along each axis, a memorizer takes the number to that of the cell's outputs, of M bits each,
    and a decoder takes this apart. The depth is `2 d_in (2^K - 1) + 17/16 2^(d_in K) + 2 (d_out - 1) (2^M - 1)` and a few.

    The certificate adds up: the Lipschitz constant times the L^p norm of the distance to the cell's centre; half a step between
    output values; and the range of values on the ramps between cells, and on cells that a jump meets. It holds for the network in
    real numbers and as it is computed: the digits are chosen such that floating point computes it exactly on rounded inputs.

    **Arguments:**

    - `f`, `domain`: the function and the box, or a `Target`.
    - `tolerance`: of the L^p distance; or `bits`, the K above. `output_bits`: M; chosen if absent.
    - `p`: the exponent, at least 1.
    - `lipschitz`: a constant of f, with jumps of the function away from them. If absent, the bound is an estimate from samples.
    - `jumps`: the (d_in - 1)-dimensional measure of where f jumps (in one dimension, how many times): points within r of the
    jumps must have a volume of at most 2 r `jumps`. With it, `lipschitz` is needed.
    - `values`: the least and the largest value of f, needed for a proved bound with jumps.
    - `dtype`: float32 or float64, whose digits the construction counts on; the network's precision.
    - `depth_limit`: more hidden layers are refused.

    **Returns:** the approximation; its certificate is in `"Lp"`.

    **Raises:** `TypeError` and `ValueError` as `Target` does; `ValueError` unless exactly one of `tolerance` and `bits` is given,
    for more bits than the precision has digits for, for more layers than `depth_limit`, naming what is reachable, and for claims
    that samples contradict.
    """
    if (tolerance is None) == (bits is None):
        raise ValueError(f"give exactly one of tolerance and bits; received tolerance={tolerance} and bits={bits}")
    check_exponent(p)
    depth_limit = as_integer("depth_limit", 1, depth_limit)
    target = as_target(f, domain, lipschitz if jumps is None else None)
    mantissa_of(dtype)
    limits = Budget(target, claimed(target, lipschitz, jumps, values), p, np.dtype(dtype), depth_limit)
    chosen = budget_of(limits, bits, output_bits) if bits is not None else budget_for(limits, tolerance, output_bits)
    network, params, depth = _network(target, limits, chosen)
    return approximation(network, params, target, _certificate(limits, chosen, depth))


def _network(target: Target, limits: Budget, bits: Bits) -> tuple[Any, Any, int]:
    d, outputs = target.domain.dimension, target.outputs
    width = max(d + 1, outputs)
    low, step, digits = _quantized(target(cell_centres(target.domain, bits.inputs)), bits.outputs)
    layers = Layers(d, width)
    code = encoder(layers, target.domain, bits, mantissa_of(limits.dtype))
    code = memorizer(layers, code, joined(digits, bits.outputs), 2 ** (bits.outputs * outputs))
    found = decoder(layers, code, bits.outputs, outputs)
    scaled = [height * digit + layers.constant(base) for digit, height, base in zip(found, step, low, strict=True)]
    network, params = layers.network(scaled, limits.dtype)
    return network, params, layers.depth


def _quantized(
    values: Float[np.ndarray, "cells outputs"], bits: int
) -> tuple[Float[np.ndarray, " outputs"], Float[np.ndarray, " outputs"], np.ndarray]:
    """Least values, steps, and the values as integers of so many bits."""
    low, high = values.min(axis=0), values.max(axis=0)
    step = (high - low) / (2**bits - 1)
    digits = np.rint((values - low) / np.where(step > 0, step, 1.0)).astype(np.int64)
    return low, step, np.clip(digits, 0, 2**bits - 1)


def _certificate(limits: Budget, bits: Bits, depth: int) -> Certificate:
    target, claims = limits.target, limits.claims
    found: Parts = limits.parts(bits)
    constants = {
        "input bits": float(bits.inputs),
        "output bits": float(bits.outputs),
        "ramp bits": float(bits.ramps),
        "width": float(max(target.domain.dimension + 1, target.outputs)),
        "depth": float(depth),
        "within cells": found.cells,
        "half a step of outputs": found.quantum,
        "share of ramps and jumps": found.odd,
        "difference there": found.gap,
    }
    constants |= {"lipschitz": claims.claims.lipschitz} if claims.claims is not None else {}
    return Certificate(
        THEOREM, found.total(limits.p), "Lp", constants, claims.assumptions, rigorous=claims.proved, p=limits.p
    )
