"""One hidden layer: any activation that is no polynomial, any continuous function on a box."""

from typing import Any

import numpy as np

from nnlimits import nn
from nnlimits.approximation.approximation import Approximation, approximation
from nnlimits.approximation.certificate import Certificate
from nnlimits.approximation.rounding import rounding_bound
from nnlimits.approximation.shallow import detected_shapes  # noqa: F401
from nnlimits.approximation.shallow.activation_shapes import PolynomialShape, Unknown, Wave, shape_of
from nnlimits.approximation.shallow.obstruction import polynomial_obstruction
from nnlimits.approximation.shallow.plans import Plan, Planner
from nnlimits.approximation.shallow.polynomial_plans import PolynomialPlanner
from nnlimits.approximation.shallow.ridge_plans import RidgePlanner
from nnlimits.approximation.shallow.smoothness import Smoothness, smoothness
from nnlimits.approximation.shallow.univariate import univariate
from nnlimits.approximation.shallow.univariate_plans import UnivariatePlanner
from nnlimits.approximation.shallow.wave_plans import WavePlanner
from nnlimits.approximation.target import Target, as_target, check_tolerance
from nnlimits.nn.fields import as_integer
from nnlimits.progress import Advance, ignore

MOST_UNITS = 10_000
"""Units beyond which no network is made, unless asked for."""

_ATTEMPTS = 4
"""Networks that are built for one tolerance, each with more units for the rounding of the last."""

_SEEN = "the activation's behaviour far from zero is as was seen numerically; `verify` proves a bound without that"


def shallow(
    f: Any,
    domain: Any = None,
    *,
    activation: nn.Layer | None = None,
    tolerance: float | None = None,
    units: int | None = None,
    lipschitz: float | None = None,
    curvature: float | None = None,
    most_units: int = MOST_UNITS,
    advance: Advance = ignore,
) -> Approximation:
    """A network of one hidden layer that is close to f everywhere on a box.

    Finite sums of ridge functions `phi(w . x + b)` are dense in the continuous functions on every compact set if and only if
    phi is no polynomial (Cybenko 1989; Hornik 1991; Leshno, Lin, Pinkus & Schocken 1993; Pinkus 1999, theorem 3.1). Here the
    sums are written down, without training:

    Of one variable, from the activation's shape: interpolation by kinks (`Relu`, `Gelu`, `Softplus`, ...) or ramps (`HardTanh`),
    sums of steps (`Tanh`, `Sigmoid`, `Step`, ...), of bumps (`Gaussian`) or of waves (`Sin`, `Cos`); for other smooth functions
    polynomials of low degree by divided differences. Of several variables, a trigonometric sum with a bound for Lipschitz
    functions, and each of its waves by the same constructions along its direction.

    **Arguments:** `f`, from points (n, d) to (n,) or (n, outputs), or a `Target`; `domain`, a box; `activation`, by default
    `nn.Relu()`; exactly one of `tolerance`, that the certificate's bound is not to exceed, and `units`, the most to use;
    `lipschitz`, a constant of f, by default proved by intervals if f is a function of JAX, or else estimated; `curvature`, a
    bound of the second derivative of an f of one variable; `most_units`, refused beyond; `advance`, told of each stage.

    **Returns:** an `Approximation` whose certificate bounds the sup norm, the rounding of evaluation included.

    **Raises:** `PolynomialActivationError` for a polynomial, with a proved lower bound of the distance that no width removes;
    `ValueError` for a tolerance that needs more than `most_units`, or units too few, with what is achievable; `TypeError` for
    what is no activation.
    """
    target = as_target(f, domain, lipschitz)
    word = _checked(activation, tolerance, units)
    most_units = as_integer("most_units", 1, most_units)
    shape = shape_of(word)
    if isinstance(shape, PolynomialShape):
        raise polynomial_obstruction(target, word, shape.degree)
    assert isinstance(word, nn.Activation)
    if tolerance is not None:
        check_tolerance(tolerance, float(np.abs(target(target.domain.corners()[:64])).max()))
    known = smoothness(target, curvature)
    advance(f"Lipschitz constant {known.lipschitz:.4g}")
    planner = _planner(target, known, word, shape)
    plan = _planned(planner, tolerance, units, most_units)
    advance(f"{plan.units} units, bound {plan.bound:.4g}")
    found = _built(plan, target, known, word)
    return found if tolerance is None else _within(tolerance, found, planner, target, known, word, most_units)


def _within(
    tolerance: float,
    found: Approximation,
    planner: Planner,
    target: Target,
    known: Smoothness,
    word: nn.Activation,
    most_units: int,
) -> Approximation:
    """What was built, or with more units, as rounding, which is known of what is built, takes its part of the tolerance."""
    for _ in range(_ATTEMPTS):
        rounding = found.certificate.constants["rounding"]
        if found.certificate.bound <= tolerance:
            return found
        plan = planner.reaching(tolerance - 1.1 * rounding, most_units) if tolerance > 1.1 * rounding else None
        if plan is None:
            break
        found = _built(plan, target, known, word)
    raise ValueError(
        f"tolerance={tolerance:g} is below what rounding in float64 leaves to prove: of the last network it is {rounding:.2g}; "
        f"achievable is about {found.certificate.bound + rounding:.2g}"
    )


def _checked(activation: Any, tolerance: float | None, units: int | None) -> nn.Activation | nn.Identity:
    word = nn.Relu() if activation is None else activation
    if not isinstance(word, nn.Activation | nn.Identity):
        raise TypeError(f"activation must be a nonlinearity such as nn.Tanh(); received {word!r}")
    if (tolerance is None) == (units is None):
        raise ValueError(f"give exactly one of tolerance and units; received tolerance={tolerance} and units={units}")
    return word


def _planner(target: Target, known: Smoothness, word: nn.Activation, shape: Any) -> Planner:
    if isinstance(shape, Wave):
        return WavePlanner(target, known, shape)
    construction = univariate(shape)
    if isinstance(shape, Unknown) or construction is None:
        return PolynomialPlanner(target, known, word)
    if target.domain.dimension == 1:
        return UnivariatePlanner(target, known, construction)
    return RidgePlanner(target, known, construction)


def _planned(planner: Planner, tolerance: float | None, units: int | None, most_units: int) -> Plan:
    if units is not None:
        units = as_integer("units", 1, units)
        plan = planner.within(units)
        if plan is None:
            raise ValueError(
                f"units={units} is too few: {planner.description} needs at least {planner.fewest_units} units"
            )
        return plan
    assert tolerance is not None
    plan = planner.reaching(tolerance, most_units)
    if plan is None:
        best = planner.within(most_units)
        reached = "nothing" if best is None else f"a bound of {best.bound:.4g} with {best.units} units"
        raise ValueError(
            f"tolerance={tolerance:g} needs more than most_units={most_units} units by {planner.description}; achievable is "
            f"{reached}. Give a larger tolerance, more units, or a smaller Lipschitz constant"
        )
    return plan


def _built(plan: Plan, target: Target, known: Smoothness, word: nn.Activation) -> Approximation:
    ridges = plan.ridges()
    network, params = ridges.network(word)
    rounding = rounding_bound(network, params, target.domain)
    constants = {"lipschitz": known.lipschitz, "units": float(ridges.units), **plan.constants, "rounding": rounding}
    if np.isfinite(known.curvature):
        constants["curvature"] = known.curvature
    seen = isinstance(word, nn.Elementwise) and not isinstance(shape_of(word), Unknown)
    assumptions = known.assumptions + (_SEEN,) * seen
    certificate = Certificate(
        plan.theorem, float(plan.bound + rounding), "sup", constants, assumptions, known.rigorous and not seen
    )
    return approximation(network, params, target, certificate)
