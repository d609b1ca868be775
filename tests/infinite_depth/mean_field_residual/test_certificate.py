"""The bounds hold over the whole ball, and what is certified comes true."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

from nnlimits import nn
from nnlimits.infinite_depth import mean_field_residual as residual
from nnlimits.infinite_depth.mean_field_residual import certificate
from nnlimits.infinite_depth.mean_field_residual.certificate import jacobian_bounds


@pytest.mark.parametrize("radius", [1e-3, pytest.param(0.1, marks=pytest.mark.slow)])
def test_bounds_hold_in_the_ball(fixed, risk, radius, x64):
    """At random laws on its surface, derivatives by JAX: never farther than the bound from those at the centre."""
    x = jnp.asarray(risk.x)

    @jax.jit
    def derivative(particles):
        return 24**0.5 * jax.jacobian(lambda p: fixed.moved(p).outputs(x).ravel())(particles).reshape(10, -1)

    change, largest = jacobian_bounds(fixed, x, radius)
    start, draw = np.asarray(derivative(jnp.asarray(fixed.particles))), np.random.default_rng(0)
    for _ in range(10):
        move = draw.standard_normal(fixed.particles.shape)
        move *= radius / np.linalg.norm(move, axis=-1, keepdims=True)
        there = np.asarray(derivative(jnp.asarray(fixed.particles + move)))
        assert np.linalg.norm(there - start, 2) <= change
        by_neuron = 24**0.5 * np.linalg.norm(there.reshape(10, 24, 7), axis=(0, 2))
        assert by_neuron.max() <= largest
    if radius < 0.01:  # to first order the second is exact
        assert largest < 1.1 * np.linalg.norm(24**0.5 * start.reshape(10, 24, 7), axis=(0, 2)).max()


@pytest.fixture(scope="module")
def lazy():
    """Three examples and a readout of scale 1e4, at the identity: the outputs are zero at the start."""
    unit = residual.ResidualUnit(nn.Tanh(), 3)
    particles = np.asarray(residual.GaussianPaths(unit, 3.0, 1.0, 0.0).followed(jax.random.key(0), 4, 30, np.float64))
    ends = residual.padded(2, 3, np.float64), residual.last_features(3, 1, 1e4, np.float64)
    x = np.array([[1.0, 0.0], [-0.5, 0.8], [-0.5, -0.8]])
    return residual.ResidualRisk(x, np.array([1.0, -1.0, 0.5])), residual.ResidualLaw(unit, particles, *ends)


@pytest.mark.slow
def test_a_certified_law_reaches_zero_loss_as_fast_as_promised(lazy):
    """The risk stays below the exponential bound, and no neuron leaves the ball, up to what explicit steps add: 5 %."""
    risk, law = lazy
    found = residual.residual_certificate(risk, law)
    assert found.certified
    np.testing.assert_allclose(found.residual, 1.5)
    step = residual.largest_stable_step(risk, law) / 20
    course = residual.residual_descent(risk, law, step, [0, 10, 40, 120])
    bound = course.risks[0] * np.exp(-found.rate * course.times)
    assert (course.risks <= 1.05 * bound + 1e-28).all()
    assert course.risks[-1] < 0.1 * course.risks[0]
    assert bound[-1] < 0.9 * course.risks[0]  # it says something
    way = np.linalg.norm(course.final.particles - law.particles, axis=-1).max()
    assert 0 < way < found.radius
    assert residual.monitor(risk, course).certified


@pytest.mark.slow
def test_threshold_is_linear_in_the_readout(lazy):
    """At the identity all of the proof's numbers are powers of the readout's scale; a small one is not certified."""
    risk, law = lazy
    small = law.moved(law.particles, law.encoder, law.readout * 1e-4)
    found, other = residual.residual_certificate(risk, law), residual.residual_certificate(risk, small)
    assert not other.certified
    np.testing.assert_allclose(found.threshold / other.threshold, 1e4, rtol=1e-3)
    near = residual.ResidualRisk(risk.x, np.full(3, other.threshold / 2))
    assert residual.residual_certificate(near, small).certified  # the same law, from a smaller loss


def test_examples_that_coincide_are_not_certified(lazy):
    """The kernel is singular: no targets are fitted but equal ones."""
    risk, law = lazy
    found = residual.residual_certificate(residual.ResidualRisk(risk.x[[0, 0]], np.array([1e-9, -1e-9])), law)
    assert (found.certified, found.threshold) == (False, 0.0)


def test_wide_weights_leave_a_threshold_however_small(lazy):
    """Bounds that grow with the exponential of the weights' products make it tiny, but not zero."""
    risk, law = lazy
    wide = residual.GaussianPaths(law.unit, 99.0, 1.0, 99.0).followed(jax.random.key(0), 4, 30, np.float64)
    found = residual.residual_certificate(risk, law.moved(np.asarray(wide), law.encoder, law.readout))
    assert found.smallest_eigenvalue > 0
    assert 0 < found.threshold < 1e-12
    assert not found.certified


@pytest.mark.parametrize("spread", [1e30, 1e60])
def test_bounds_that_overflow_certify_nothing(lazy, spread):
    """The recursions leave the numbers of double precision at every radius, and infinity times zero is none of a proof."""
    risk, law = lazy
    wide = residual.GaussianPaths(law.unit, spread, 1.0, spread).followed(jax.random.key(0), 4, 30, np.float64)
    found = residual.residual_certificate(risk, law.moved(np.asarray(wide), law.encoder, law.readout))
    assert found.smallest_eigenvalue > 0
    assert (found.certified, found.threshold, found.radius, found.rate) == (False, 0.0, 0.0, 0.0)


def test_search_leaves_radii_that_overflow(lazy, monkeypatch):
    """With NaN for bounds above the best radius, or above a tenth of it, what is found is the best of the others."""
    risk, law = lazy
    best, at_radius = residual.residual_certificate(risk, law), certificate._at_radius
    for highest in (10 * best.radius, best.radius / 10):

        def overflowing(law, parts, slopes, bounds, radius, highest=highest):
            found = at_radius(law, parts, slopes, bounds, radius)
            return found if radius < highest else (np.nan, found[1])

        monkeypatch.setattr(certificate, "_at_radius", overflowing)
        found = residual.residual_certificate(risk, law)
        np.testing.assert_allclose(found.radius, min(best.radius, highest), rtol=1e-4)
        assert 0 < found.threshold <= best.threshold * (1 + 1e-9)


@pytest.mark.parametrize(
    "activation",
    [
        nn.Tanh(),
        *(
            pytest.param(phi, marks=pytest.mark.slow)
            for phi in (nn.Erf(), nn.Erf(2.0, 0.5, 0.0), nn.Sigmoid(), nn.Sin(2.0, 3.0, 0.5), nn.Cos())
        ),
    ],
)
def test_derivative_bounds(activation, x64):
    """Suprema found on a grid and refined: no smaller than the grid's, and attained to 1e-6 unless at infinity."""
    found = residual.derivative_bounds(activation)
    functions = [lambda t: activation(jnp.asarray(t))]
    functions += [lambda t: jax.jvp(functions[0], (jnp.asarray(t),), (jnp.ones_like(t),))[1]]
    functions += [lambda t: jax.jvp(functions[1], (jnp.asarray(t),), (jnp.ones_like(t),))[1]]
    grid = np.linspace(-30, 30, 20001)
    for bound, function in zip(found, functions, strict=True):
        values = np.abs(np.asarray(function(grid)))
        best = grid[values.argmax()]
        refined = optimize.minimize_scalar(lambda t, f=function: -abs(float(f(t))), bounds=(best - 0.01, best + 0.01))
        np.testing.assert_allclose(-refined.fun, bound, rtol=1e-6)


def test_what_has_no_certificate(fixed, law, risk):
    with pytest.raises(ValueError, match=r"a certificate is for a fixed encoder and readout; received EndRates"):
        residual.residual_certificate(risk, law)
    logistic = residual.ResidualRisk(risk.x, np.sign(risk.y), "logistic")
    with pytest.raises(ValueError, match='a certificate is for loss="mse"'):
        residual.residual_certificate(logistic, fixed)
    unit = residual.ResidualUnit(nn.Relu(), 3)
    kinked = residual.ResidualLaw(unit, fixed.particles, fixed.encoder, fixed.readout)
    with pytest.raises(NotImplementedError, match=r"nn\.Relu\(\) has no known bounds"):
        residual.residual_certificate(risk, kinked)
