"""Ridge units with their coefficients as a network of the language."""

import math

import numpy as np
from jaxtyping import Float, PyTree

from nnlimits import nn
from nnlimits.approximation.barron.ridge_units import RidgeUnits, Units
from nnlimits.approximation.domain import Box
from nnlimits.approximation.from_weights import from_weights


def shallow_network(
    dictionary: RidgeUnits,
    domain: Box,
    polynomials: Units,
    units: Units,
    coefficients: Float[np.ndarray, " coefficients"],
) -> tuple[nn.Sequential, PyTree]:
    """The network of one hidden layer that is the constant, the polynomial units and the units times their coefficients.

    On the box the units `(z_i + 1) / 2` of degree 1 sum to a constant and one unit: `c . z = |c|_1 (c . z / |c|_1 + 1) - |c|_1`.

    **Arguments:** `dictionary`; `domain`; `polynomials` and `units`, of points of the cube from -1 to 1 that the box is mapped
    to; `coefficients`, of the constant, of `polynomials`, of as many `units` as are left, the first ones.
    """
    split = 1 + len(polynomials.thresholds)
    constant, polynomial, own = coefficients[0], coefficients[1:split], coefficients[split:]
    first = Units(*(field[: len(own)] for field in units))
    if dictionary.degree == 1:
        slopes = np.asarray(polynomials.directions).T @ (polynomial / 2)
        size = np.abs(slopes).sum()
        constant = constant + polynomial.sum() / 2 - size
        direction = slopes / size if size > 0 else np.eye(len(slopes))[0]
        polynomials, polynomial = Units(direction[None], np.array([-1.0]), np.ones(1)), np.array([2 * size])
    pairs = zip(polynomials, first, strict=True)
    directions, thresholds, scales = (np.concatenate([np.asarray(a), np.asarray(b)]) for a, b in pairs)
    output = np.concatenate([polynomial, own])
    if dictionary.sigmoidal is not None:
        low, high, _ = dictionary.sigmoidal
        output = output / (high - low)
        constant = constant - math.fsum(output * low)
    else:
        output = output / (1 - thresholds) ** dictionary.degree
    inner = scales[:, None] * directions / (domain.sides / 2)
    bias = -scales * thresholds - inner @ domain.centre
    return from_weights([(inner.T, bias), (output[:, None], np.array([constant]))], dictionary.activation)
