"""Yarotsky's theorem: certificates on many targets, rates, claims, budgets, refusals."""

import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits.approximation import Approximation, verify
from nnlimits.approximation.derivative_bounds import derivative, derivative_bounds
from nnlimits.approximation.local_interpolation import (
    interpolation_error,
    lebesgue_constant,
    lipschitz_error,
    local_interpolants,
)
from nnlimits.approximation.relu_calculus.local_sum import local_sum_widths
from nnlimits.approximation.size import size
from nnlimits.approximation.target import as_target
from nnlimits.approximation.yarotsky import yarotsky
from nnlimits.rates import fitted_rate


def sine(x):
    return np.sin(3 * x[:, 0])


def hidden(found: Approximation) -> tuple[int, ...]:
    return tuple(len(part["bias"]) for part in found.params if part)[:-1]


def evaluated(found: Approximation, x: np.ndarray, dtype=np.float64) -> np.ndarray:
    """The network by NumPy in some precision."""
    layer = x.astype(dtype)
    for position, part in enumerate([part for part in found.params if part]):
        layer = np.maximum(layer, 0) if position else layer
        layer = layer @ part["weight"].astype(dtype) + part["bias"].astype(dtype)
    return layer


@pytest.mark.parametrize(
    ("f", "domain", "claim", "tolerance"),
    [
        (sine, (0, 1), {"order": 2, "derivative_bound": 9}, 1e-3),
        (sine, (-2, 1), {"order": 5, "derivative_bound": 243}, 1e-6),
        (lambda x: np.abs(x[:, 0] - 0.3), (0, 1), {"lipschitz": 1.0}, 2e-2),
        (lambda x: np.sin(40 * x[:, 0]), (0, 1), {"order": 4, "derivative_bound": 40**4}, 1e-2),
        # the derivative of x |x| is Lipschitz with constant 2, and jumps no sooner than the second
        (lambda x: x[:, 0] * np.abs(x[:, 0]), (-1, 1), {"order": 2, "derivative_bound": 2}, 1e-3),
        (lambda x: np.sin(3 * x[:, 0]) * np.cos(2 * x[:, 1]), [(0, 1), (-1, 1)], {"order": 3, "derivative_bound": (27, 8)}, 1e-2),
        (lambda x: np.hypot(x[:, 0], x[:, 1]), [(-1, 1)] * 2, {"lipschitz": 1.0}, 0.1),
        (lambda x: np.stack([x[:, 0] ** 2, sine(x)], 1), (0, 1), {"order": 3, "derivative_bound": 27}, 1e-4),
        (lambda x: np.exp(-x.sum(1)), [(0, 1)] * 3, {"order": 2, "derivative_bound": 1}, 0.05),
        (lambda x: np.linalg.norm(x, axis=1), [(-1, 1)] * 3, {"lipschitz": 1.0}, 0.4),
        pytest.param(lambda x: np.abs(x - 0.4).max(1), [(0, 1)] * 4, {"lipschitz": 1.0}, 0.3, marks=pytest.mark.slow),
        (lambda x: np.exp(-x.sum(1) / 2), [(0, 1)] * 4, {"order": 2, "derivative_bound": 0.25}, 0.2),
        pytest.param(lambda x: np.abs(x.sum(1) - 2) / 2.5, [(0, 1)] * 6, {"lipschitz": 1.0}, 0.7, marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_the_certificate_holds(f, domain, claim, tolerance) -> None:
    found = yarotsky(f, domain, tolerance=tolerance, **claim)
    assert found.holds
    assert found.certificate.bound <= tolerance
    assert found.certificate.rigorous
    assert found.error.sup >= found.certificate.bound / 100  # no bound is far from the truth on these targets
    constants = found.certificate.constants
    parts = constants["interpolation"] + constants["products"] + constants["rounding"]
    assert parts == pytest.approx(found.certificate.bound, rel=1e-12)
    sizes = [int(constants[name]) for name in ("cells", "order")]
    widths = local_sum_widths(found.target.domain.dimension, *sizes, found.target.outputs, int(constants["levels"]))
    assert hidden(found) == widths
    assert size(found)[:2] == (len(widths), max(widths))


def test_the_expression_and_its_precisions() -> None:
    found = yarotsky(sine, (0, 1), tolerance=3e-2, order=2, derivative_bound=9)
    x = found.target.domain.grid(101)
    values = np.asarray(found(x))
    assert values.dtype == np.float64
    assert np.abs(values - found.target(x)).max() <= found.certificate.bound
    single = found.astype(np.float32)
    # values of order 1 in single precision, at coordinates of up to 10 cells: 10 units in the last place, three stages
    assert single.error.sup <= found.certificate.bound + 1e-4


@pytest.mark.parametrize("order", [2, 3, 4])
def test_rates(order: int) -> None:
    """Errors fall as cells^-n. (Of order 1 they fall as cells^-2 here: then networks interpolate linearly, and f is smooth.)"""
    tolerances = 0.03 * 2.0 ** -np.arange(0, 2.5 * order, order / 2)
    claim = {"order": order, "derivative_bound": 3**order}
    found = [yarotsky(sine, (0, 1), tolerance=tolerance, **claim) for tolerance in tolerances.tolist()]
    cells = np.array([one.certificate.constants["cells"] for one in found])
    rate = fitted_rate(cells, np.array([one.error.sup for one in found])[:, None])
    # products add up to a tenth of the bound, and numbers of cells are integers: a slope is off by a few percent of n
    assert rate.slope == pytest.approx(-order, abs=0.15 * order)


def test_the_rate_of_order_one() -> None:
    """A kink halfway between two nodes is where linear interpolation is worst: half of the bound, on every such grid."""
    cells = np.array([5.0, 11, 21, 41])
    tolerances = (0.5 / cells * (1 + 1e-5)).tolist()
    found = [yarotsky(lambda x: np.abs(x[:, 0] - 0.5), (0, 1), tolerance=one, lipschitz=1.0) for one in tolerances]
    np.testing.assert_array_equal([one.certificate.constants["cells"] for one in found], cells)
    middle = np.array([[0.5]])
    errors = [evaluated(one, middle)[0, 0] for one in found]
    np.testing.assert_allclose(errors, 0.5 / cells, rtol=1e-9)  # the certificate itself: no bound is sharper


def test_depth_grows_with_the_logarithm() -> None:
    found = [yarotsky(sine, (0, 1), tolerance=10.0**-digits, order=4, derivative_bound=81) for digits in (2, 4, 6, 8)]
    depths = np.array([len(hidden(one)) for one in found])
    # each two digits take log(100) / log(4) = 3.3 levels in three products one after another, the grid's help apart
    assert (np.diff(depths) <= 3 * 4).all()
    assert (np.diff(depths) > 0).all()


def test_a_budget_of_units() -> None:
    errors = []
    for units in (200, 500, 1200):
        found = yarotsky(sine, (0, 1), units=units, order=3, derivative_bound=27)
        assert found.holds
        assert 0.8 * units <= sum(hidden(found)) <= units
        errors.append(found.certificate.bound)
    assert (np.diff(errors) < 0).all()


def test_rounding_is_within_its_bound() -> None:
    """The same parameters evaluated with 64 bits of mantissa instead of 53."""
    if np.finfo(np.longdouble).eps >= np.finfo(np.float64).eps:
        pytest.skip("this machine has no longer floating point")
    for domain, order in (((0, 1), 4), ([(100, 101), (0, 2)], 2)):
        found = yarotsky(sine, domain, tolerance=3e-2, order=order, derivative_bound=3.0**order)
        x = found.target.domain.dense(100, seed=5)
        values = [evaluated(found, x, dtype) for dtype in (np.float64, np.longdouble)]
        assert 0 < np.abs(values[0] - values[1]).max() <= found.certificate.constants["rounding"]


def test_interpolation_is_exact_for_polynomials() -> None:
    target = as_target(lambda x: 1 + x[:, 0] * x[:, 1] ** 2 - x[:, 0] ** 2, [(0, 2), (-1, 1)])
    polynomials = local_interpolants(target, 3, 3)
    nodes = target.domain.grid(4).reshape(4, 4, 2)
    np.testing.assert_allclose(
        polynomials.coefficients[0, :, :, 0, 0], target(nodes.reshape(-1, 2)).reshape(4, 4), atol=1e-13
    )
    # the coefficient of t_1 t_2^2 is h_1 h_2^2 everywhere
    np.testing.assert_allclose(polynomials.coefficients[0, :, :, 1, 2], (2 / 3) ** 3, atol=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3, 6])
def test_the_error_of_local_interpolants(order: int) -> None:
    """Of an exponential, whose derivatives are largest at one end, for three grids; evaluated apart from any network."""
    target = as_target(lambda x: np.exp(2 * x[:, 0]), (0, 1))
    bound = np.array([2.0**order * np.exp(2.0)])
    for cells in (1, 3, 8):
        coefficients = local_interpolants(target, cells, order).coefficients[0]
        u = np.linspace(0, cells, 2001)
        left = np.minimum(u.astype(int), cells - 1)
        share = u - left
        ends = [np.sum(coefficients[left + end] * (share - end)[:, None] ** np.arange(order), 1) for end in (0, 1)]
        blended = (1 - share) * ends[0] + share * ends[1]
        error = np.abs(blended - np.exp(2 * u / cells)).max()
        promised = interpolation_error(cells, order, target.domain.sides, bound)
        assert error <= promised
        if order > 1:  # of order 1 the error falls quicker, as f is smooth
            # at worst a factor of 2^n where the two ends alone count, and that of the derivative over the grid
            assert error >= promised / (2.0**order * np.exp(2.0))


def test_constants() -> None:
    chebyshev = np.cos((2 * np.arange(4) + 1) * np.pi / 8)
    t = np.linspace(-1, 1, 4001)
    basis = [np.prod([(t - b) / (a - b) for b in chebyshev if b != a], axis=0) for a in chebyshev]
    assert lebesgue_constant(4) == pytest.approx(np.abs(basis).sum(axis=0).max(), rel=1e-6)
    assert lebesgue_constant(1) == pytest.approx(1.0)
    sides = np.array([1.0, 2.0])
    assert lipschitz_error(4, sides, 3.0) <= interpolation_error(4, 1, sides, np.array([3.0, 3.0]))


def test_bounds_of_derivatives_by_intervals() -> None:
    assert derivative_bounds(lambda x: jnp.sin(3 * x[:, 0]), (0, 1), 4)[0] == pytest.approx(81, rel=0.05)
    both = derivative_bounds(lambda x: jnp.sin(3 * x[:, 0]) * x[:, 1], [(0, 1), (-2, 1)], 2)
    assert (both >= [18 * np.sin(1.0), 0]).all()
    assert both == pytest.approx([18, 0], rel=0.05)
    runge = derivative(lambda x: 1 / (1 + x[:, 0] ** 2), 0, 2)
    x = np.linspace(-1, 1, 11)[:, None].astype(np.float32)
    np.testing.assert_allclose(runge(jnp.asarray(x)), (6 * x**2 - 2)[:, 0] / (1 + x[:, 0] ** 2) ** 3, atol=1e-5)
    with pytest.raises(ValueError, match="derivative of order 1 along axis 0 may jump"):
        derivative_bounds(lambda x: jnp.abs(x[:, 0]), (-1, 1), 2)
    with pytest.raises(ValueError, match="no bound of the derivative of order 1"):
        derivative_bounds(lambda x: jnp.sqrt(x[:, 0]), (0, 1), 1, budget=200)


def test_certificates_are_verified_by_intervals() -> None:
    """The network and f by interval arithmetic: the bound is proved, and a smaller one than the measured error refuted."""
    kink = yarotsky(lambda x: jnp.abs(x[:, 0] - 0.3), (0, 1), tolerance=0.1, lipschitz=1.0)
    smooth = yarotsky(lambda x: jnp.sin(3 * x[:, 0]), (0, 1), tolerance=5e-2, order=2)
    assert smooth.certificate.rigorous
    for found in (kink, smooth):
        assert verify(found, bound=found.certificate.bound, budget=20_000).outcome == "bound proved"
        assert verify(found, bound=0.9 * found.error.sup, budget=20_000).outcome == "bound violated"


def test_estimates_are_said_to_be_estimates() -> None:
    found = yarotsky(sine, (0, 1), tolerance=1e-3, order=3)  # NumPy, so nothing is known between points
    assert not found.certificate.rigorous
    assert "found on samples" in str(found.certificate)
    assert found.certificate.constants["derivative_bound[0]"] == pytest.approx(1.5 * 27, rel=0.05)
    assert found.holds


def test_progress_is_told() -> None:
    told: list[str] = []
    yarotsky(sine, (0, 1), tolerance=0.1, lipschitz=3.0, advance=told.append)
    assert told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tolerance": 1e-3, "order": 4, "derivative_bound": 60}, r"derivative_bound=60 is contradicted: .* reaches 8"),
        ({"tolerance": 1e-3, "lipschitz": 1.0}, "lipschitz=1 is contradicted"),
        (
            {"tolerance": 1e-9, "order": 2, "derivative_bound": 9},
            r"takes 50,000 cells .* achievable with order 2 is 3.7",
        ),
        (
            {"tolerance": 1e-14, "order": 8, "derivative_bound": 6561},
            r"below what rounding in float64 leaves .* is achievable",
        ),
        ({"units": 20, "order": 4, "derivative_bound": 81}, "one cell with order 4 takes 131 hidden units"),
        ({"tolerance": 1e-3}, "nothing is known of f between points: give order and derivative_bound"),
        ({"tolerance": 1e-3, "derivative_bound": 3}, "give order, that of the derivatives"),
        ({"order": 2}, "either tolerance"),
        ({"tolerance": 1e-3, "units": 100, "lipschitz": 3.0}, "either tolerance"),
        ({"tolerance": 0.0, "lipschitz": 3.0}, "tolerance must be finite and positive"),
        ({"tolerance": np.nan, "lipschitz": 3.0}, "tolerance must be finite and positive"),
        ({"tolerance": 1e-2, "order": 9, "derivative_bound": 3}, "order must be at most 8"),
        ({"tolerance": 1e-2, "order": 2, "derivative_bound": -1.0}, "derivative_bound must be finite and non-negative"),
        ({"tolerance": 1e-2, "order": 2, "derivative_bound": (1, 2)}, "one for each of 1 axes"),
        ({"units": 0, "order": 2, "derivative_bound": 9}, "units must be an integer, at least 1"),
    ],
)
def test_refusals(arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        yarotsky(sine, (0, 1), **arguments)


def test_domains_that_are_refused() -> None:
    with pytest.raises(ValueError, match="up to 6"):
        yarotsky(lambda x: x[:, 0], [(0, 1)] * 7, tolerance=0.1, lipschitz=1.0)
    with pytest.raises(ValueError, match=r"order 4 in 6 dimensions takes a layer of .* give a lower order"):
        yarotsky(lambda x: x[:, 0], [(0, 1)] * 6, tolerance=1e-3, order=4, derivative_bound=1.0)
    with pytest.raises(ValueError, match="compact domains"):
        yarotsky(sine, (0, np.inf), tolerance=0.1, lipschitz=3.0)
