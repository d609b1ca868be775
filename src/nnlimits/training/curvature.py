"""The Hessian of a training loss and its Gauss-Newton part, as linear maps that are never formed."""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from nnlimits.training.extras import lineax_module, matfree_decompositions
from nnlimits.training.problem import Problem

if TYPE_CHECKING:
    import lineax


def hessian_operator(problem: Problem) -> "lineax.FunctionLinearOperator":
    """The Hessian of the training loss at the problem's parameters, flattened as by `jax.flatten_util.ravel_pytree`.

    A product is a forward derivative of the gradient (Pearlmutter 1994). `nnlimits.empirical.top_eigenpairs` finds its
    largest eigenvalue, the *sharpness*. Where parameters are float64, use it within `jax.enable_x64(True)`.

    **Raises:** `ImportError` without `lineax`.
    """
    lx = lineax_module()
    with problem.precision():
        objective = problem.objective()

        @jax.jit
        def product(vector: Float[Array, " p"]) -> Float[Array, " p"]:
            return objective.hessian_product(objective.theta, vector)

        structure = jax.ShapeDtypeStruct(objective.theta.shape, objective.theta.dtype)
        return lx.FunctionLinearOperator(product, structure, lx.symmetric_tag)


def gauss_newton_operator(problem: Problem) -> "lineax.FunctionLinearOperator":
    """The Gauss-Newton matrix `J^T H J` of the training loss: `J` the outputs' Jacobian, `H` the loss's Hessian in the outputs.

    Its positive eigenvalues are those of `H^{1/2} Theta H^{1/2}` with the empirical NTK `Theta`; for half the mean squared
    error over N entries, of `Theta / N`. It is what the linearized network's loss has as its Hessian.

    **Raises:** `ImportError` without `lineax`.
    """
    lx = lineax_module()
    with problem.precision():
        theta, unflatten = ravel_pytree(problem.params)

        @jax.jit
        def product(vector: Float[Array, " p"]) -> Float[Array, " p"]:
            def outputs(flat: Array) -> Array:
                return problem.f(unflatten(flat), problem.x)

            values, moved = jax.jvp(outputs, (theta,), (vector,))
            curved = jax.jvp(jax.grad(lambda f: problem.loss(f, problem.y)), (values,), (moved,))[1]
            return jax.vjp(outputs, theta)[1](curved)[0]

        structure = jax.ShapeDtypeStruct(theta.shape, theta.dtype)
        return lx.FunctionLinearOperator(product, structure, (lx.symmetric_tag, lx.positive_semidefinite_tag))


def ritz_pairs(product: Any, start: Float[Array, " p"], k: int, products: int) -> tuple[Array, Array]:
    """The `k` largest Ritz values, descending, and unit vectors `(p, k)`, from one short run of Lanczos' iteration.

    Unlike `top_eigenpairs` it has a fixed cost and can be compiled into a loop: made for a `start` that is nearly in the
    span of the eigenvectors, as it is along a path. Values are below the eigenvalues, by the square of the angle left.
    """
    products = min(products, start.shape[0])
    run = matfree_decompositions().tridiag_sym(products, custom_vjp=False)
    basis, tridiagonal, *_ = run(product, start)
    # an iteration that ends early leaves NaN behind: as zeros, they add eigenvalues 0
    values, rotation = jnp.linalg.eigh(jnp.nan_to_num(tridiagonal))
    return values[::-1][:k], (jnp.nan_to_num(basis).T @ rotation)[:, ::-1][:, :k]
