"""Named targets: what is claimed of them holds, and is sharp."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits.approximation.expression import expression
from nnlimits.approximation.targets import TARGETS, named_target

CASES = [(name, dimension) for name in TARGETS for dimension in (2,)]


@pytest.mark.parametrize(("name", "dimension"), CASES)
def test_lipschitz_constants_hold_and_are_needed(name, dimension):
    """`Target` tests the claim on random pairs. The gradient reaches the constant at the points named beside it."""
    named = named_target(name, dimension)
    target = named.target()
    assert target.domain == named.domain
    if named.lipschitz is None:
        assert named.kind == "discontinuous"
        return
    radius = {"gaussian": np.sqrt(0.5), "runge": 1 / np.sqrt(75)}.get(name)
    point = np.full(dimension, 0.1 / dimension) if named.kind == "kinked" else np.zeros(dimension)
    if radius is not None:
        point[0] = radius
    if name == "checkerboard":
        point[0] = 0.5
    with jax.enable_x64(True):
        gradient = jax.grad(lambda x: named.function(x[None])[0])(jnp.asarray(point))
    assert np.linalg.norm(gradient) == pytest.approx(named.lipschitz, rel=1e-12)


@pytest.mark.parametrize(("name", "dimension"), [(n, d) for n, d in CASES if n != "barron"])
def test_formulas_are_the_functions(name, dimension):
    named = named_target(name, dimension)
    points = named.domain.dense(64, seed=3)
    written = expression(named.formula, dimension)
    with jax.enable_x64(True):
        np.testing.assert_allclose(written(jnp.asarray(points)), named.function(jnp.asarray(points)), atol=1e-14)


@pytest.mark.parametrize("name", ["gaussian", "runge", "sine", "waves", "checkerboard", "barron"])
def test_derivatives_stay_below_their_bounds(name):
    """Pure and mixed second differences at 256 points, which are means of second derivatives; rounding adds 1e-9. The largest
    is no less than a tenth of the bound, so that it is no triviality."""
    named, step = named_target(name, 2), 1e-3
    target, points = named.target(), named.domain.dense(256)
    shifts = step * np.array([[1, 0], [0, 1], [-1, 0], [0, -1], [1, 1], [0, 0]])
    right, up, left, down, both, here = target((points[None] + shifts[:, None]).reshape(-1, 2)).reshape(6, -1)
    seconds = np.abs([right + left - 2 * here, up + down - 2 * here, both + here - right - up]) / step**2
    assert 0.1 * named.derivative_bound(2) < seconds.max() <= named.derivative_bound(2) + 1e-9


def test_spectra_represent_their_functions():
    """|F| integrates to f(0) where all phases are zero: 1 for these."""
    for name in ("gaussian", "runge", "checkerboard"):
        assert named_target(name, 3).spectrum.moment(np.ones(3), 0) == pytest.approx(1)


def test_barron_has_the_constant_four_in_high_dimension():
    for dimension in (1, 6, 20):
        assert named_target("barron", dimension).spectrum.moment(np.ones(dimension), 1) == pytest.approx(4)


def test_bad_input():
    with pytest.raises(ValueError, match=r"target must be one of gaussian, .*; received 'bump'"):
        named_target("bump")
    with pytest.raises(ValueError, match="gaussian is defined in 1 to 6 dimensions; received dimension=7"):
        named_target("gaussian", 7)
    with pytest.raises(ValueError, match="dimension must be an integer, at least 1; received 0"):
        named_target("gaussian", 0)
