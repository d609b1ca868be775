"""Plain iteration, Anderson acceleration and Broyden's method on batches of equations."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix
import pytest

from nnlimits.fixed_points.anderson import Anderson
from nnlimits.fixed_points.broyden import Broyden
from nnlimits.fixed_points.iteration import Iteration
from nnlimits.fixed_points.least_squares import coefficients, positive_solve
from nnlimits.fixed_points.solve import default_tolerance, fixed_points, implicit

N, D = 6, 12
SOLVERS = [Iteration, Anderson, Broyden]


def affine(z, given):
    matrix, offset = given
    return z @ matrix + offset


def cell(z, given):
    matrix, drive = given
    return jnp.tanh(z @ matrix + drive)


def problem(gain, dtype=np.float64, seed=0):
    """A random matrix of spectral radius about `gain`, and drives."""
    generator = np.random.default_rng(seed)
    matrix = gain * generator.normal(size=(D, D)) / np.sqrt(D)
    return jnp.asarray(matrix, dtype), jnp.asarray(generator.normal(size=(N, D)), dtype)


@eqx.filter_jit
def solved(function, solver, given, max_steps=200):
    start = jnp.zeros_like(given[1])
    return fixed_points(function, solver, start, given, max_steps=max_steps, adjoint=optimistix.ImplicitAdjoint())


def test_small_systems_and_least_squares_match_numpy(x64):
    generator = np.random.default_rng(0)
    columns, right = generator.normal(size=(5, 7, 4)), generator.normal(size=(5, 7))
    columns[1, :, 2] = 0  # an empty slot
    columns[2, :, 1] *= 1e-9  # an old secant beside new ones
    gram = np.einsum("ndi,ndj->nij", columns, columns)
    found = coefficients(jnp.asarray(gram), jnp.asarray(np.einsum("ndi,nd->ni", columns, right)), 0.0)
    scale = np.maximum(
        np.linalg.norm(columns, axis=1), 1e-300
    )  # the reference loses the digits of short columns otherwise
    unit = columns / scale[:, None]
    expected = np.stack([np.linalg.lstsq(a, b)[0] for a, b in zip(unit, right, strict=True)]) / scale
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    matrices = gram + np.eye(4)
    solution = positive_solve(jnp.asarray(matrices), jnp.asarray(right[:, :4]))
    np.testing.assert_allclose(solution, np.linalg.solve(matrices, right[:, :4, None])[..., 0], rtol=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
def test_affine_maps_are_solved_to_the_tolerance(x64, solver):
    matrix, offset = problem(0.6)
    found = solved(affine, solver(1e-9, 0.0), (matrix, offset))
    expected = np.linalg.solve(np.eye(D) - matrix.T, offset.T).T
    assert found.converged.all()
    assert not found.nonfinite.any()
    residual = np.linalg.norm(affine(found.value, (matrix, offset)) - found.value, axis=1)
    size = np.linalg.norm(affine(found.value, (matrix, offset)), axis=1)
    np.testing.assert_allclose(found.residual, residual / size, rtol=1e-6)
    assert (found.residual <= 1e-9).all()
    # |error| <= |(I - W)^-1| |residual|, in the Euclidean norm of each example
    inverse = np.linalg.norm(np.linalg.inv(np.eye(D) - matrix), 2)
    assert (np.linalg.norm(found.value - expected, axis=1) <= inverse * 1e-9 * size * 1.01).all()


def test_anderson_with_long_memory_is_gmres_on_affine_maps(x64):
    """It ends after as many steps as the state has entries, plus the first and the last evaluation (Walker & Ni 2011).

    Without regularization, that is, which is not part of the theorem.
    """
    matrix, offset = problem(1.5, seed=1)
    assert np.abs(np.linalg.eigvals(matrix)).max() > 1  # plain iteration diverges
    found = solved(affine, Anderson(1e-9, 0.0, memory=D, regularization=0.0), (matrix, offset))
    assert found.converged.all()
    assert (found.steps <= D + 2).all()
    assert not solved(affine, Iteration(1e-9, 0.0), (matrix, offset)).converged.all()


def test_broyden_ends_after_twice_the_dimension_on_affine_maps(x64):
    """2 d steps and one that confirms (Gay 1979, theorem 2.2); the steps that are taken back count as well."""
    matrix, offset = problem(0.9, seed=2)
    found = solved(affine, Broyden(1e-9, 0.0), (matrix, offset))
    assert found.converged.all()
    assert (found.steps <= 2 * D + 1).all()


@pytest.mark.parametrize("solver", [Anderson, Broyden])
def test_accelerated_solvers_need_fewer_evaluations_and_solve_what_iteration_cannot(x64, solver):
    slow = problem(0.95, seed=3)
    plain, fast = (solved(cell, each(1e-9, 0.0), slow) for each in (Iteration, solver))
    assert plain.converged.all()
    assert fast.converged.all()
    assert 1.5 * fast.evaluations < plain.evaluations
    np.testing.assert_allclose(fast.value, plain.value, atol=1e-7)
    chaotic = problem(1.6, seed=3)
    assert not solved(cell, Iteration(1e-9, 0.0), chaotic).converged.all()
    found = solved(cell, solver(1e-9, 0.0), chaotic)
    assert found.converged.all()
    np.testing.assert_allclose(cell(found.value, chaotic), found.value, atol=1e-7)


@pytest.mark.parametrize("solver", [Anderson, Broyden])
def test_an_example_does_not_see_the_others(x64, solver):
    """The same number of steps in other company, and values that differ by the rounding of the products."""
    matrix, drive = problem(0.8)
    together = solved(cell, solver(1e-9, 0.0), (matrix, drive))
    assert len(set(together.steps.tolist())) > 1
    others = solved(cell, solver(1e-9, 0.0), (matrix, (3 * drive).at[2].set(drive[2])))
    assert others.steps.tolist() != together.steps.tolist()
    assert others.steps[2] == together.steps[2]
    np.testing.assert_allclose(others.value[2], together.value[2], atol=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
def test_budget_and_values_that_are_not_finite_are_told(solver):
    matrix, drive = problem(0.8, np.float32)
    short = solved(cell, solver(1e-6, 0.0), (matrix, drive), 4)
    assert not short.converged.any()
    assert (short.steps == 4).all()
    assert short.evaluations == 4
    assert (short.residual > 1e-6).all()
    lost = solved(cell, solver(1e-6, 0.0), (matrix, drive.at[2, 1].set(jnp.nan)), 4)
    np.testing.assert_array_equal(lost.nonfinite, np.arange(N) == 2)
    assert lost.evaluations == 1


@pytest.mark.parametrize("solver", [Anderson, Broyden])
def test_a_step_into_values_that_are_not_finite_is_taken_back(x64, solver):
    """The logarithm is NaN below zero, where the first step leads from z = 0.1."""

    def function(z, shift):
        return shift + jnp.log(z)

    found = fixed_points(
        function, solver(1e-10, 0.0), jnp.full((1, 1), 0.1), 1.5, max_steps=100, adjoint=optimistix.ImplicitAdjoint()
    )
    assert found.converged.all()
    np.testing.assert_allclose(found.value, function(found.value, 1.5), rtol=1e-9)


def test_a_zero_fixed_point_is_found_at_once():
    found = solved(affine, Anderson(1e-5, 0.0), (jnp.eye(D) * 0.5, jnp.zeros((N, D))))
    assert found.converged.all()
    assert found.evaluations == 1
    assert (found.value == 0).all()


def test_solvers_work_with_optimistix_itself(x64):
    matrix, drive = problem(0.7)
    expected = solved(cell, Anderson(1e-9, 0.0), (matrix, drive)).value
    start = jnp.zeros_like(drive)
    root = optimistix.root_find(lambda z, given: cell(z, given) - z, Broyden(1e-8, 1e-8), start, (matrix, drive))
    np.testing.assert_allclose(root.value, expected, atol=1e-6)
    with pytest.raises(eqx.EquinoxRuntimeError, match="maximum number of steps"):
        optimistix.fixed_point(cell, Anderson(1e-8, 0.0), start, (matrix, drive), max_steps=3)
    with pytest.raises(ValueError, match=r"one array with the examples along its first axis.*write y\[None\]"):
        optimistix.fixed_point(lambda z, _: z / 2, Anderson(1e-3, 0.0), jnp.zeros(()))


def test_states_of_any_shape_and_vmap(x64):
    matrix, drive = problem(0.7)

    def images(z, given):
        return cell(z.reshape(N, D), given).reshape(z.shape)

    @jax.vmap
    def solution(gain):
        start = jnp.zeros((N, 3, 4))
        given = gain * matrix, drive
        return fixed_points(images, Anderson(1e-9, 0.0), start, given, max_steps=99, adjoint=implicit(1e-9, "")).value

    mapped = solution(jnp.array([0.5, 1.0])).reshape(2, N, D)
    for gain, each in zip((0.5, 1.0), mapped, strict=True):
        expected = solved(cell, Anderson(1e-9, 0.0), (gain * matrix, drive)).value
        np.testing.assert_allclose(each, expected, atol=1e-8)


def test_default_tolerances():
    assert default_tolerance(jnp.float32) == pytest.approx(2.4e-5, rel=0.02)
    assert default_tolerance(jnp.float64) == pytest.approx(3.7e-11, rel=0.02)
