"""The Hessian of a training loss and its Gauss-Newton part, as linear maps that are never formed."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from nnlimits.training.extras import matfree_decompositions
from nnlimits.training.problem import Problem

if TYPE_CHECKING:
    import lineax

Product = Callable[[Problem, Any, Any], Any]
"""From a problem, parameters as one vector, and a vector, to a matrix times the vector."""

TOLERANCE = 1e-3
"""Of the residuals of eigenpairs, relative to the largest eigenvalue, whose own error is about the square."""


def hessian_product(problem: Problem, theta: Float[Array, " p"], vector: Float[Array, " p"]) -> Float[Array, " p"]:
    """The Hessian of the training loss at `theta` times a vector (Pearlmutter 1994)."""
    return problem.objective().hessian_product(theta, vector)


def gauss_newton_product(problem: Problem, theta: Float[Array, " p"], vector: Float[Array, " p"]) -> Float[Array, " p"]:
    """The Gauss-Newton matrix `J^T H J` of the training loss at `theta` times a vector (Schraudolph 2002)."""
    unflatten = ravel_pytree(problem.params)[1]

    def outputs(flat: Array) -> Array:
        return problem.f(unflatten(flat), problem.x)

    values, moved = jax.jvp(outputs, (theta,), (vector,))
    curved = jax.jvp(jax.grad(lambda f: problem.loss(f, problem.y)), (values,), (moved,))[1]
    return jax.vjp(outputs, theta)[1](curved)[0]


def hessian_operator(problem: Problem) -> "lineax.FunctionLinearOperator":
    """The Hessian of the training loss at the problem's parameters, flattened as by `jax.flatten_util.ravel_pytree`.

    `nnlimits.empirical.top_eigenpairs` finds its largest eigenvalues, the first of which is the *sharpness*. Where parameters
    are float64, use it within `jax.enable_x64(True)`.
    """
    import lineax as lx

    return _operator(problem, hessian_product, lx.symmetric_tag)


def gauss_newton_operator(problem: Problem) -> "lineax.FunctionLinearOperator":
    """The Gauss-Newton matrix `J^T H J` of the training loss: `J` the outputs' Jacobian, `H` the loss's Hessian in the outputs.

    Its positive eigenvalues are those of `H^{1/2} Theta H^{1/2}` with the empirical NTK `Theta`; for half the mean squared
    error over N entries, of `Theta / N`. It is what the linearized network's loss has as its Hessian.
    """
    import lineax as lx

    return _operator(problem, gauss_newton_product, (lx.symmetric_tag, lx.positive_semidefinite_tag))


def _operator(problem: Problem, product: Product, tags: Any) -> "lineax.FunctionLinearOperator":
    import lineax as lx

    with problem.precision():
        theta = problem.objective().theta
        structure = jax.ShapeDtypeStruct(theta.shape, theta.dtype)
        return lx.FunctionLinearOperator(partial(_compiled_product, problem, product, theta), structure, tags)


@eqx.filter_jit
def _compiled_product(problem: Problem, product: Product, theta: Array, vector: Array) -> Array:
    return product(problem, theta, vector)


def leading_pairs(problem: Problem, product: Product, k: int, key: PRNGKeyArray) -> tuple[Array, Array]:
    """The `k` largest eigenvalues at the problem's parameters, descending, and unit vectors `(p, k)`.

    As `nnlimits.empirical.top_eigenpairs`, to the accuracy that learning rates ask for, and compiled once for problems of one
    shape. The number of products is doubled until residuals are below `TOLERANCE`. Call within the problem's precision.
    """
    theta = problem.objective().theta
    start = jax.random.normal(key, theta.shape, theta.dtype)
    products = min(len(theta), 2 * k + 20)
    while True:
        values, vectors, residuals = _leading(problem, product, start, k, products)
        if products == len(theta) or bool((residuals <= TOLERANCE * abs(values[0])).all()):
            return values, vectors
        products = min(len(theta), 2 * products)


@eqx.filter_jit
def _leading(problem: Problem, product: Product, start: Array, k: int, products: int) -> tuple[Array, Array, Array]:
    by_matrix = partial(product, problem, problem.objective().theta)
    values, vectors = ritz_pairs(by_matrix, start, k, products)
    residuals = jax.vmap(lambda value, vector: jnp.linalg.norm(by_matrix(vector) - value * vector), (0, 1))(
        values, vectors
    )
    return values, vectors, residuals


def ritz_pairs(product: Any, start: Float[Array, " p"], k: int, products: int) -> tuple[Array, Array]:
    """The `k` largest Ritz values, descending, and unit vectors `(p, k)`, from one short run of Lanczos' iteration.

    Unlike `top_eigenpairs` it has a fixed cost and can be compiled into a loop: made for a `start` that is nearly in the
    span of the eigenvectors, as it is along a path. Values are below the eigenvalues, by the square of the angle left.
    """
    products = min(products, start.shape[0])
    run = matfree_decompositions().tridiag_sym(products, custom_vjp=False)
    basis, tridiagonal, *_ = run(product, start)
    alive = _before_the_end(tridiagonal)
    values, rotation = jnp.linalg.eigh(jnp.where(alive[:, None] & alive, tridiagonal, 0))
    return values[::-1][:k], (jnp.where(alive[:, None], basis, 0).T @ rotation)[:, ::-1][:, :k]


def _before_the_end(tridiagonal: Float[Array, "k k"]) -> Bool[Array, " k"]:
    """Which rows come before the iteration's space became invariant: what follows is rounding errors, or NaN."""
    size, step = abs(jnp.diag(tridiagonal)), jnp.diag(tridiagonal, 1)
    scale = jax.lax.cummax(size[:-1] + step)
    goes_on = step > 100 * jnp.finfo(step.dtype).eps * scale
    return jnp.concatenate([jnp.ones(1, bool), jnp.cumprod(goes_on).astype(bool)])
