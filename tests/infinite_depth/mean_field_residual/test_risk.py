"""Adjoints, first variation and kernel against automatic differentiation."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits.infinite_depth import mean_field_residual as residual
from nnlimits.rates import fitted_rate


@pytest.mark.parametrize("loss", ["mse", "logistic"])
def test_velocity_is_the_gradient(law, risk, loss, x64):
    """`-L M` times JAX's gradient for neurons, the rates times it for the ends; and what is lost."""
    risk = residual.ResidualRisk(risk.x, np.sign(risk.y) if loss == "logistic" else risk.y, loss)
    gradient = jax.jit(jax.grad(lambda parts: risk(law.moved(*parts))))((law.particles, law.encoder, law.readout))
    value, found = eqx.filter_jit(risk.velocity)(law)
    np.testing.assert_allclose(value, risk(law), rtol=1e-13)
    expected = -24 * gradient[0], -0.5 * gradient[1], -0.7 * gradient[2]
    for one, other in zip(found, expected, strict=False):
        np.testing.assert_allclose(one, other, atol=1e-13)
    loss_of_energy = -sum(jnp.vdot(a, b) for a, b in zip(gradient, found, strict=False))
    np.testing.assert_allclose(found.dissipation, loss_of_energy, rtol=1e-12)


def test_first_variation(fixed, risk, x64):
    """Moving a share of the mass of one layer to a neuron changes the risk as the first variation says."""
    theta = jnp.asarray(np.random.default_rng(3).standard_normal((2, 7)))
    variation = eqx.filter_jit(lambda law, rows: risk.first_variation(law)(rows))(fixed, theta)
    assert variation.shape == (6, 2)
    step, layer = 1e-5, 2

    @jax.jit
    def moved(share):
        """The outputs with the extra neuron of a mass `share` at one layer."""
        state = jnp.asarray(risk.x) @ fixed.encoder
        for index, particles in enumerate(fixed.particles):
            extra = fixed.unit.velocity(theta[:1], state) * (share if index == layer else 0.0)
            state = state + (fixed.unit.velocity(particles, state) + extra) / fixed.layers
        return risk.loss(state @ fixed.readout, jnp.asarray(risk.y))

    slope = (moved(step) - moved(-step)) / (2 * step)
    np.testing.assert_allclose(fixed.layers * slope, variation[layer, 0], rtol=1e-8)
    gradient = jax.jit(jax.grad(lambda p: risk.first_variation(fixed)(p)[layer].sum()))(fixed.particles[layer])
    np.testing.assert_allclose(-gradient, eqx.filter_jit(risk.velocity)(fixed)[1].particles[layer], atol=1e-13)


@pytest.mark.slow
def test_adjoints(fixed, risk, x64):
    """Each is the gradient of the risk in a state; the adjoint ODE is approached as 1/L: the slope's next order is 0.01 here."""
    found = risk.adjoint(fixed)

    def rest(state):
        for particles in fixed.particles[2:]:
            state = fixed.step(particles, state)
        return risk.loss(state @ fixed.readout, jnp.asarray(risk.y))

    np.testing.assert_allclose(found.adjoints[2], jax.jit(jax.grad(rest))(found.states[2]), atol=1e-13)
    exact = residual.ode_adjoint(risk, fixed, substeps=16)
    layers = np.array([24, 96])
    errors = []
    for count in layers:
        copies = risk.adjoint(residual.with_copies(fixed, int(count)))
        errors.append([np.sqrt(np.square(copies.adjoints[:: count // 6] - exact.adjoints).mean())])
    assert abs(fitted_rate(layers.astype(float), np.asarray(errors)).slope + 1) < 0.03


def test_tangent_kernel(fixed, risk, x64):
    jacobian = jax.jit(jax.jacobian(lambda p: fixed.moved(p).outputs(jnp.asarray(risk.x)).ravel()))(fixed.particles)
    rows = jacobian.reshape(10, -1)
    np.testing.assert_allclose(residual.tangent_kernel(fixed, risk.x), 24 * rows @ rows.T, atol=1e-12)


@pytest.mark.slow
def test_polyak_lojasiewicz(fixed, risk, x64):
    """The squared gradient is at least `2 lambda_min(K) / N` times the risk, at any targets; and at most with the largest."""
    eigenvalues = np.linalg.eigvalsh(residual.tangent_kernel(fixed, risk.x))
    for seed in range(5):
        y = jnp.asarray(np.random.default_rng(seed).standard_normal((5, 2)))
        value, found = eqx.filter_jit(lambda one, law: one.velocity(law))(
            eqx.tree_at(lambda one: one.y, risk, y), fixed
        )
        assert 2 * eigenvalues[0] / 10 <= found.dissipation / value <= 2 * eigenvalues[-1] / 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones((3, 2)), np.ones(2)), "one target for each of the 3 examples; received 2"),
        ((np.ones((3, 2)), np.array([1.0, np.nan, 0])), r"y contains nan at index \(1, 0\)"),
        ((np.array([[1.0, np.inf]]), np.ones(1)), r"x contains inf at index \(0, 1\)"),
        ((np.ones((3, 2)), np.ones(3), "huber"), "loss must be one of"),
        ((np.ones((3, 2)), np.zeros(3), "logistic"), r"y must hold -1 and 1; received \[0\.\]"),
    ],
)
def test_bad_data(arguments, message):
    with pytest.raises(ValueError, match=message):
        residual.ResidualRisk(*arguments)


def test_other_outputs(fixed, risk):
    with pytest.raises(ValueError, match="y must have 2 columns, those of the readout; received 1"):
        residual.residual_flow(residual.ResidualRisk(risk.x, risk.y[:, :1]), fixed, [1])


@pytest.mark.parametrize("loss", ["mse", "cross_entropy", "logistic"])
def test_targets_that_do_not_fit_the_readout(fixed, risk, loss):
    """One output and two columns would broadcast."""
    one = residual.ResidualLaw(fixed.unit, fixed.particles, fixed.encoder, fixed.readout[:, :1])
    two = residual.ResidualRisk(risk.x, np.tile([[1.0, -1.0]], (5, 1)), loss)
    for call in (
        two,
        two.adjoint,
        two.velocity,
        two.first_variation,
        eqx.filter_jit(two),
        eqx.filter_jit(two.velocity),
    ):
        with pytest.raises(ValueError, match="y must have 1 columns, those of the readout; received 2"):
            call(one)
    course = residual.ResidualCourse(*np.zeros((4, 1)), (one,))
    with pytest.raises(ValueError, match="y must have 1 columns, those of the readout; received 2"):
        residual.monitor(two, course)


def test_class_labels_for_one_output(fixed, risk):
    one = residual.ResidualLaw(fixed.unit, fixed.particles, fixed.encoder, fixed.readout[:, :1])
    labels = residual.ResidualRisk(risk.x, (risk.y[:, 0] > 0).astype(int), "cross_entropy")
    with pytest.raises(ValueError, match="y must have 1 columns"):
        labels(one)
