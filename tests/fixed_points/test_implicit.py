"""Derivatives by the implicit function theorem, and the linear solver of the adjoint."""

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax
import numpy as np
import pytest

from nnlimits.fixed_points.anderson import Anderson
from nnlimits.fixed_points.conjugate_residuals import ConjugateResiduals
from nnlimits.fixed_points.solve import fixed_points, implicit

N, D = 5, 10


def systems(seed=0, shift=1.0):
    generator = np.random.default_rng(seed)
    return jnp.asarray(shift * np.eye(D) + generator.normal(size=(N, D, D)) / np.sqrt(D)), jnp.asarray(
        generator.normal(size=(N, D))
    )


def operator(matrices):
    structure = jax.ShapeDtypeStruct((N, D), matrices.dtype)
    return lineax.FunctionLinearOperator(lambda v: jnp.einsum("nij,nj->ni", matrices, v), structure)


@eqx.filter_jit
def solution(matrices, right, restart=30):
    solved = lineax.linear_solve(operator(matrices), right, ConjugateResiduals(1e-10, restart=restart))
    return solved.value, solved.stats["num_steps"]


@pytest.mark.parametrize("shift", [2.0, 0.0])
def test_every_example_is_solved_within_its_dimension(x64, shift):
    """Also where the symmetric part is indefinite (shift 0), where conjugate residuals without the last image may break down."""
    matrices, right = systems(shift=shift)
    found, steps = solution(matrices, right)
    np.testing.assert_allclose(found, np.linalg.solve(matrices, right[..., None])[..., 0], rtol=1e-6)
    assert steps <= D


def test_a_rotation_has_residuals_that_stall_and_is_solved(x64):
    """For a cyclic shift the residual does not fall before the last step: the last image has to be the next direction."""
    matrices = jnp.asarray(np.broadcast_to(np.roll(np.eye(D), 1, axis=0), (N, D, D)))
    right = jnp.zeros((N, D)).at[:, 0].set(1.0)
    found, _ = solution(matrices, right)
    np.testing.assert_allclose(found, np.linalg.solve(matrices, right[..., None])[..., 0], atol=1e-9)


@pytest.mark.slow
def test_zero_right_sides_cost_nothing_and_restarts_reach_the_tolerance(x64):
    matrices, right = systems(1, shift=2.0)
    right = right.at[1].set(0.0)
    found, steps = solution(matrices, right, restart=3)
    residual = jnp.linalg.norm(right - jnp.einsum("nij,nj->ni", matrices, found), axis=1)
    assert (residual <= 1e-10 * jnp.linalg.norm(right, axis=1)).all()
    assert (found[1] == 0).all()
    assert steps > D
    assert solution(matrices, 0 * right)[1] == 0


@pytest.mark.slow
def test_singular_systems_and_values_that_are_not_finite_are_errors(x64):
    matrices, right = systems()

    @eqx.filter_jit
    def failing(matrices, right):
        solver = ConjugateResiduals(1e-8, failure="the derivative was not found")
        return lineax.linear_solve(operator(matrices), right, solver).value

    assert jnp.isfinite(failing(matrices, right)).all()
    for bad in ((matrices.at[3, 0].set(0.0), right), (matrices, right.at[0, 0].set(jnp.nan))):
        with pytest.raises(eqx.EquinoxRuntimeError, match="the derivative was not found"):
            failing(*bad)
    pytree = lineax.FunctionLinearOperator(lambda v: v, (jax.ShapeDtypeStruct((2,), jnp.float32),))
    with pytest.raises(ValueError, match="to one of the same shape"):
        lineax.linear_solve(pytree, (jnp.ones(2, jnp.float32),), ConjugateResiduals(1e-3))


def cell(z, given):
    matrix, drive = given
    return jnp.tanh(z @ matrix + drive)


@pytest.mark.slow
def test_derivatives_are_those_of_the_implicit_function(x64):
    """Against `(I - J)^-1` written out, forward and reverse, and against finite differences."""
    generator = np.random.default_rng(3)
    matrix, drive = jnp.asarray(generator.normal(size=(D, D)) / np.sqrt(D)), jnp.asarray(generator.normal(size=(N, D)))

    @jax.jit
    def value(drive):
        return fixed_points(
            cell,
            Anderson(1e-13, 0.0),
            jnp.zeros_like(drive),
            (matrix, drive),
            max_steps=200,
            adjoint=implicit(1e-12, ""),
        ).value

    z, tangent = value(drive), jnp.asarray(generator.normal(size=(N, D)))
    slope = 1 - np.asarray(z) ** 2
    jacobians = slope[:, :, None] * np.asarray(matrix).T
    expected = np.linalg.solve(np.eye(D) - jacobians, (slope * tangent)[..., None])[..., 0]
    _, pushed = jax.jvp(value, (drive,), (tangent,))
    np.testing.assert_allclose(pushed, expected, rtol=1e-8)
    (pulled,) = jax.vjp(value, drive)[1](tangent)
    transposed = np.linalg.solve(np.eye(D) - np.swapaxes(jacobians, 1, 2), np.asarray(tangent)[..., None])[..., 0]
    np.testing.assert_allclose(pulled, slope * transposed, rtol=1e-8)
    difference = (value(drive + 1e-6 * tangent) - value(drive - 1e-6 * tangent)) / 2e-6
    np.testing.assert_allclose(pushed, difference, atol=1e-7)


def test_an_adjoint_that_is_not_solved_is_an_error(x64):
    """`z = f(z)` with slope one at the fixed point: the equation is solved, its derivative does not exist."""

    def flat(z, shift):
        return z + (shift - z) ** 3

    def value(shift):
        start = jnp.zeros((1, 2))
        return jnp.sum(
            fixed_points(
                flat, Anderson(1e-6, 0.0), start, shift, max_steps=200, adjoint=implicit(1e-8, "no derivative here")
            ).value
        )

    with pytest.raises(eqx.EquinoxRuntimeError, match="no derivative here"):
        eqx.filter_jit(jax.grad(value))(0.0)
