"""Functions and what is claimed of them."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits.approximation import Box, Target
from nnlimits.approximation.target import as_target, check_tolerance

INTERVAL = Box.cube(1)


def test_values_have_an_axis_of_outputs_and_double_precision() -> None:
    target = Target(lambda x: jnp.sin(x[:, 0]), INTERVAL)
    values = target(np.array([[0.1], [0.2]], np.float32))
    assert values.shape == (2, 1)
    assert values.dtype == np.float64
    assert np.allclose(values[:, 0], np.sin(np.array([0.1, 0.2], np.float32).astype(float)), rtol=1e-15)
    assert Target(lambda x: np.stack([x[:, 0], 2 * x[:, 0]], 1), INTERVAL).outputs == 2


def test_a_true_constant_is_accepted_and_found() -> None:
    target = Target(lambda x: 3 * x[:, 0] + 4 * x[:, 1], Box.cube(2), 5.0)
    points = target.domain.dense(4096)
    steepest, pair = target.steepest(points, target(points))
    # of 12,000 random directions one is within an angle of 0.01 of the gradient: 5 cos(0.01) = 4.9998
    assert 4.999 < steepest <= 5 * (1 + 1e-9)
    assert np.isclose(abs(target(pair[:1]) - target(pair[1:])) / np.linalg.norm(pair[0] - pair[1]), steepest, rtol=1e-6)


def test_a_false_constant_is_refused_with_a_pair() -> None:
    with pytest.raises(ValueError, match=r"lipschitz=2 is contradicted: between .* a constant of at least"):
        Target(lambda x: np.sin(3 * x[:, 0]), INTERVAL, 2.0)


def test_a_steep_spot_is_found_by_close_pairs() -> None:
    with pytest.raises(ValueError, match="contradicted"):
        Target(lambda x: np.sqrt(x[:, 0]), INTERVAL, 20.0)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x[:-1], "for n = "),
        (lambda x: np.zeros((len(x), 2, 2)), "returned shape"),
        (lambda x: np.where(x[:, 0] > 0.5, np.nan, 0.0), "must be finite on the whole domain"),
        (lambda x: np.where(x[:, 0] == 1, np.inf, 0.0), r"f is \[inf\] at \[1.0\]"),
        (
            lambda x: x[:, 0] / np.linalg.norm(x),
            "f must take each point by itself: .* alone; reduce over the last axis",
        ),
    ],
)
def test_bad_functions(function, message) -> None:
    with pytest.raises(ValueError, match=message):
        Target(function, INTERVAL)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (3.0, None),
        (lambda x: math.sin(x[0]), r"points of shape \(n, 1\), all at once, .* raised: only"),
        (lambda x: np.exp(1j * x[:, 0]), "f must return real numbers; it returned complex128. Take the real part"),
        (lambda x: None, "f must return real numbers; it returned object"),
    ],
)
def test_what_is_no_function_of_points(function, message) -> None:
    with pytest.raises(TypeError, match=message):
        Target(function, INTERVAL)


@pytest.mark.parametrize("lipschitz", [-1.0, 0.0, np.nan, np.inf])
def test_bad_constants(lipschitz) -> None:
    with pytest.raises(ValueError, match="lipschitz must be finite and positive"):
        Target(lambda x: 0 * x[:, 0], INTERVAL, lipschitz)


def test_a_target_keeps_what_is_claimed() -> None:
    target = Target(lambda x: x[:, 0], INTERVAL, 1.0)
    assert as_target(target, None) is target
    assert as_target(target, (0, 1), 1.0) is target
    for domain, lipschitz in [((0, 2), None), (None, 2.0)]:
        with pytest.raises(ValueError, match="a domain and a constant of its own"):
            as_target(target, domain, lipschitz)


def test_tolerances_below_rounding() -> None:
    check_tolerance(1e-13, 1.0)
    with pytest.raises(ValueError, match=r"below what float64 resolves: .* the least tolerance that can be checked"):
        check_tolerance(1e-16, 1.0)
    with pytest.raises(ValueError, match="float32"):
        check_tolerance(1e-7, 1.0, np.float32)
    with pytest.raises(ValueError, match="tolerance must be finite and positive"):
        check_tolerance(0.0, 1.0)
