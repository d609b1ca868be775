"""Single rules against exact and high-precision arithmetic."""

import operator
from fractions import Fraction
from types import SimpleNamespace

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnlimits.approximation.intervals import Interval, known
from nnlimits.approximation.intervals.products import multiplied
from nnlimits.approximation.intervals.registry import rule_of

mpmath.mp.dps = 60
EVERYWHERE = 1e-300, 600.0
FUNCTIONS = {
    "exp": (mpmath.exp, EVERYWHERE), "exp2": (lambda x: mpmath.mpf(2) ** x, EVERYWHERE), "expm1": (mpmath.expm1, EVERYWHERE),
    "tanh": (mpmath.tanh, EVERYWHERE), "logistic": (lambda x: 1 / (1 + mpmath.exp(-x)), EVERYWHERE),
    "erf": (mpmath.erf, (1e-300, 8.0)), "erfc": (mpmath.erfc, (1e-300, 25.0)), "sin": (mpmath.sin, (1e-300, 1e9)),
    "cos": (mpmath.cos, (1e-300, 1e9)), "log": (mpmath.log, (1e-300, 1e300)), "log1p": (mpmath.log1p, (1e-300, 1e300)),
    "sqrt": (mpmath.sqrt, (1e-300, 1e300)), "rsqrt": (lambda x: 1 / mpmath.sqrt(x), (1e-300, 1e300)),
    "atan": (mpmath.atan, (1e-300, 1e300)), "asin": (mpmath.asin, (1e-300, 1.0)), "acos": (mpmath.acos, (1e-300, 1.0)),
    "acosh": (mpmath.acosh, (1.0, 1e300)),
    "atanh": (mpmath.atanh, (1e-300, 0.999)), "asinh": (mpmath.asinh, (1e-300, 1e300)), "sinh": (mpmath.sinh, EVERYWHERE),
    "cosh": (mpmath.cosh, EVERYWHERE), "tan": (mpmath.tan, (1e-300, 1e6)),
}  # fmt: skip
POSITIVE = {"acosh", "log", "sqrt", "rsqrt", "log1p"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_elementary_functions_against_high_precision(name: str) -> None:
    exact, (least, most) = FUNCTIONS[name]
    rng = np.random.default_rng(0)
    sizes = np.exp(rng.uniform(np.log(max(least, 1e-20)), np.log(most), 200))
    moderate = rng.uniform(least, min(most, 20.0), 200)
    x = np.concatenate([sizes, moderate, np.exp(rng.uniform(np.log(least), np.log(most), 50))])
    x = x if name in POSITIVE else x * rng.choice([-1, 1], x.size)
    result = rule_of(name)(SimpleNamespace(params={}), known(x))
    assert isinstance(result, Interval)
    true = [exact(mpmath.mpf(float(value))) for value in x]
    assert all(
        low <= y <= high for low, y, high in zip(result.lower.tolist(), true, result.upper.tolist(), strict=True)
    )
    # the widening is of at most 1024 units (erfc) or 16 (others), to both sides
    allowed = 2.0**-40 if name == "erfc" else 40 * 2.0**-52
    small = np.array([float(abs(y)) for y in true])
    assert (result.upper - result.lower <= allowed * small + 1e-320).all()


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_extremes_inside_an_interval_are_found(name: str) -> None:
    rng = np.random.default_rng(0)
    lower = rng.uniform(-50, 50, 2000)
    upper = lower + 10 ** rng.uniform(-3, 0.7, 2000)
    result = rule_of(name)(SimpleNamespace(params={}), Interval(lower, upper))
    values = getattr(np, name)(lower[:, None] + (upper - lower)[:, None] * np.linspace(0, 1, 4001))
    assert (result.lower <= values.min(1) + 1e-15).all()
    assert (result.upper >= values.max(1) - 1e-15).all()
    # a grid of 4000 steps on an interval shorter than 5.1 misses an extreme by at most (5.1/4000)^2 / 8
    assert (result.lower >= values.min(1) - 3e-7).all()
    assert (result.upper <= values.max(1) + 3e-7).all()


def ends() -> st.SearchStrategy[tuple[float, float]]:
    number = st.floats(-1e6, 1e6, allow_subnormal=False) | st.sampled_from([0.0, 1.0, -1.0])
    return st.tuples(number, number).map(lambda pair: (min(pair), max(pair)))


@settings(max_examples=150, deadline=None)
@given(a=ends(), b=ends(), share=st.tuples(st.floats(0, 1), st.floats(0, 1)), power=st.integers(0, 7))
def test_arithmetic_contains_the_exact_results(a, b, share, power) -> None:
    intervals = [Interval(np.array([low]), np.array([high])) for low, high in (a, b)]
    x, y = (Fraction(min(max(low + s * (high - low), low), high)) for (low, high), s in zip((a, b), share, strict=True))
    equation = SimpleNamespace(params={"y": power})
    cases = [("add", x + y), ("sub", x - y), ("mul", x * y), ("max", max(x, y)), ("min", min(x, y))]
    if not b[0] <= 0 <= b[1]:
        cases.append(("div", x / y))
    for name, true in cases:
        result = rule_of(name)(equation, *intervals)
        assert Fraction(float(result.lower[0])) <= true <= Fraction(float(result.upper[0])), name
    for name, true in [("integer_pow", x**power), ("square", x * x), ("abs", abs(x)), ("neg", -x)]:
        result = rule_of(name)(equation, intervals[0])
        assert Fraction(float(result.lower[0])) <= true <= Fraction(float(result.upper[0])), name


def test_a_value_with_itself_is_no_pair_of_values() -> None:
    a = Interval(np.array([-1.0]), np.array([2.0]))
    equation = SimpleNamespace(params={})
    assert rule_of("sub")(equation, a, a).lower == 0 == rule_of("sub")(equation, a, a).upper
    assert rule_of("mul")(equation, a, a).lower == 0
    assert not rule_of("ne")(equation, a, a).upper.any()


def _exact_product(a: np.ndarray, b: np.ndarray) -> list[list[Fraction]]:
    rows, columns = ([[Fraction(x) for x in line] for line in matrix.tolist()] for matrix in (a, b.T))
    return [[sum(map(operator.mul, row, column), Fraction(0)) for column in columns] for row in rows]


@pytest.mark.parametrize(("spread_a", "spread_b"), [(0.0, 0.0), (0.1, 0.0), (0.0, 0.1), (0.1, 0.1)])
def test_products_of_matrices_against_exact_arithmetic(spread_a: float, spread_b: float) -> None:
    rng = np.random.default_rng(0)
    # entries of very different sizes, with cancellation, so that rounding matters
    a, b = (rng.standard_normal(shape) * 10.0 ** rng.integers(-6, 6, shape) for shape in ((4, 9), (9, 3)))
    b[-1] = -b[0]
    a[:, -1] = a[:, 0]

    def around(values: np.ndarray, spread: float) -> Interval:
        return (
            known(values)
            if spread == 0
            else Interval(values - spread * np.abs(values), values + spread * np.abs(values))
        )

    left, right = around(a, spread_a), around(b, spread_b)
    result = multiplied(left, right)
    for _ in range(5):
        inside_a, inside_b = (
            each.lower if each.exact else each.lower + rng.integers(0, 2, each.lower.shape) * (each.upper - each.lower)
            for each in (left, right)
        )
        true = _exact_product(np.clip(inside_a, left.lower, left.upper), np.clip(inside_b, right.lower, right.upper))
        for i, row in enumerate(true):
            for j, value in enumerate(row):
                assert Fraction(float(result.lower[i, j])) <= value <= Fraction(float(result.upper[i, j]))
    if spread_a == spread_b == 0:
        assert (result.width <= 1e-14 * (np.abs(a) @ np.abs(b))).all()


def test_unbounded_ends_stay_enclosures() -> None:
    anything = Interval(np.array([[-np.inf, 1.0]]), np.array([[np.inf, 2.0]]))
    result = multiplied(anything, known(np.array([[0.0], [1.0]])))
    assert result.lower <= 1
    assert result.upper >= 2
    product = rule_of("mul")(SimpleNamespace(params={}), anything, known(np.array([[0.0, 1.0]])))
    assert np.array_equal(product.lower[0, :1], [0.0])
    assert np.array_equal(product.upper[0, :1], [0.0])
