"""The theorem: any continuous function by a network of width d_in + d_out + 1 (ReLU) or d_in + d_out + 2, deep enough."""

from typing import Any

import numpy as np

from nnlimits import nn
from nnlimits.approximation.approximation import Approximation, approximation
from nnlimits.approximation.certificate import Certificate
from nnlimits.approximation.deep_narrow.narrow import Narrowed, narrowed
from nnlimits.approximation.deep_narrow.passing import passing
from nnlimits.approximation.shallow.obstruction import PolynomialActivationError
from nnlimits.approximation.shallow.shallow import MOST_UNITS, shallow
from nnlimits.approximation.target import as_target
from nnlimits.nn.fields import as_floating
from nnlimits.progress import Advance, ignore
from nnlimits.validation import check_positive

_SHARE = 1 - 2.0**-10
"""Of the tolerance that the shallow network is given at first."""


def deep_narrow(
    f: Any,
    domain: Any = None,
    *,
    activation: nn.Layer | None = None,
    tolerance: float | None = None,
    units: int | None = None,
    lipschitz: float | None = None,
    curvature: float | None = None,
    most_units: int = MOST_UNITS,
    dtype: Any = np.float64,
    advance: Advance = ignore,
) -> Approximation:
    """A network of width d_in + d_out + 1 (ReLU) or d_in + d_out + 2 that is close to f everywhere on a box.

    Kidger & Lyons (2020), Theorem 3.2, for activations that are no polynomial and have a point with a nonzero derivative: a
    shallow network close to f (`shallow`), compiled into one that holds the inputs and a partial sum of the outputs in each
    layer, and computes one hidden unit there, or two (`narrow`).

    **Arguments:** as of `shallow`, `units` being those of the shallow network: for ReLU there are as many hidden layers,
    otherwise half as many; `dtype`, the precision of the parameters.

    **Returns:** an `Approximation` whose certificate bounds the sup norm: the shallow network's bound, and bounds of what the
    depth adds in real numbers (0 for activations with an affine piece) and by rounding.

    **Raises:** as `shallow` and `narrowed`; `ValueError` for polynomials, and for a tolerance that the precision does not let
    through so many layers, with what is achievable.
    """
    target, kind = as_target(f, domain, lipschitz), as_floating(dtype)
    word = nn.Relu() if activation is None else activation
    passing(word, kind)
    if (tolerance is None) == (units is None):
        raise ValueError(f"give exactly one of tolerance and units; received tolerance={tolerance} and units={units}")
    if tolerance is not None:
        check_positive("tolerance", tolerance)
    wanted = None if tolerance is None else tolerance * _SHARE
    for _ in range(3):
        parent = _parent(target, word, wanted, units, curvature, most_units, advance)
        found = narrowed(parent.network, parent.params, target.domain, dtype=kind)
        advance(f"{found.depth} layers of width {found.width}")
        added = found.truncation + found.rounding
        if tolerance is None or parent.certificate.bound + added <= tolerance:
            return approximation(found.network, found.params, target, _certificate(parent, found))
        wanted = (tolerance - added) * _SHARE
        if wanted <= tolerance / 4:
            break
    raise ValueError(
        f"tolerance={tolerance:g} is not reached: {found.depth} layers of {word!r} in {kind.name} add up to "
        f"{added:.2g} to the distance; achievable is about {4 * added:.2g}"
        + ("" if kind == np.float64 else ", or less in float64")
    )


def _parent(
    target: Any,
    word: nn.Layer,
    tolerance: float | None,
    units: int | None,
    curvature: float | None,
    most_units: int,
    advance: Advance,
) -> Approximation:
    try:
        return shallow(
            target,
            activation=word,
            tolerance=tolerance,
            units=units,
            curvature=curvature,
            most_units=most_units,
            advance=advance,
        )
    except PolynomialActivationError as error:
        raise ValueError(
            f"{word!r} is a polynomial, so no shallow network of it can be compiled: {error} Deep narrow ones of it are dense "
            "all the same (Kidger & Lyons 2020, Proposition 4.11, by products made of squares), which is not implemented; take "
            "another activation, such as nn.Tanh()"
        ) from error


def _certificate(parent: Approximation, found: Narrowed) -> Certificate:
    shallow_bound = parent.certificate
    constants = {
        **shallow_bound.constants,
        "shallow bound": shallow_bound.bound,
        "width": float(found.width),
        "depth": float(found.depth),
        "truncation": found.truncation,
        "rounding of the depth": found.rounding,
        "reach": found.passing.reach,
    }
    return Certificate(
        f"Kidger & Lyons (2020), Theorem 3.2; {shallow_bound.theorem}",
        shallow_bound.bound + found.truncation + found.rounding,
        "sup",
        constants,
        (*shallow_bound.assumptions, "the activation is evaluated to within four units of roundoff"),
        shallow_bound.rigorous and found.proved,
    )
