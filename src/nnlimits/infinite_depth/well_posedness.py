"""Whether the equations of a network have a solution, and only one."""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, PyTree

from nnlimits import nn
from nnlimits.infinite_depth.jacobian_penalty import no_fixed_point
from nnlimits.nn.examination import Solved, examining
from nnlimits.nn.reports import Statistics
from nnlimits.validation import check_instance, is_traced

_KRYLOV = 40


class WellPosedness(NamedTuple):
    """What is known of the fixed points of one equilibrium layer.

    `guarantee`: `"constraint"`, one solution for every input by the cell's parameterization; `"norm"`, one because the cell is a
    contraction; `"none"`, there may be others. `contraction_bound`: the spectral norm of the recurrent map, bounded from above,
    times the Lipschitz constant of the activation (infinite where no bound is known). `spectral_radius`: of the Jacobian of the
    cell at the solution of each example; below 1 plain iteration converges to it from nearby, and it is isolated.
    """

    layer: nn.Layer
    guarantee: Literal["constraint", "norm", "none"]
    contraction_bound: Float[np.ndarray, "..."]
    spectral_radius: Float[np.ndarray, "... n"]


def well_posedness(network: nn.Layer, params: PyTree, x: Float[Array, "n ..."]) -> list[WellPosedness]:
    """Solve a network's equilibrium layers at `x`, and say of each whether its solution is the only one.

    The spectral radius is the largest absolute Ritz value in a Krylov space of dimension 40 (Arnoldi 1951), of each example:
    exact, up to rounding, for states of up to 40 entries.

    **Returns:** one entry a layer, in the order in which they run; those of `nn.Repeat` have the blocks along a leading axis of
    their arrays, and the least guarantee of all blocks.

    **Raises:** `ValueError` if the network has no such layer; `SolveError` if an equation is not solved; `TypeError` for what is
    no network, and inside JAX transformations.
    """
    check_instance("network", network, nn.Layer)
    if is_traced(params, x):
        raise TypeError("well_posedness reads values, which are not known inside jit, grad or vmap; call it outside")
    with examining(_hessenberg) as reports:
        network.apply(params, x)
    found = [_described(report) for report in reports if "hessenberg" in report.statistics]
    if not found:
        raise ValueError(no_fixed_point(network))
    return found


def _described(report: nn.Report) -> WellPosedness:
    layer, statistics = report
    assert isinstance(layer, nn.Equilibrium)
    eigenvalues = np.linalg.eigvals(np.asarray(statistics["hessenberg"]))
    unique = bool(np.all(statistics["unique"]))
    guarantee = "constraint" if layer.cell.constraint is not None else "norm" if unique else "none"
    return WellPosedness(
        layer, guarantee, np.asarray(statistics["contraction_bound"]), np.abs(eigenvalues).max(axis=-1, initial=0.0)
    )


def _hessenberg(solved: Solved) -> Statistics:
    """The Jacobian of the state's map in an orthonormal basis of a Krylov space, of each example by itself."""
    n = solved.state.shape[0]
    size = solved.state.size // n
    steps = min(_KRYLOV, size)
    _, push = jax.linearize(lambda z: solved.function(z, solved.args), solved.state)

    def grown(i: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        basis, entries = carry
        last = lax.dynamic_index_in_dim(basis, i, 1, keepdims=False)
        image = push(last.reshape(solved.state.shape)).reshape(n, size)
        length = jnp.linalg.norm(image, axis=1)
        column = jnp.zeros((n, steps + 1), image.dtype)
        for _ in range(2):
            overlaps = jnp.einsum("nmd,nd->nm", basis, image)
            image = image - jnp.einsum("nm,nmd->nd", overlaps, basis)
            column = column + overlaps
        left = jnp.linalg.norm(image, axis=1)
        kept = left > 10 * jnp.finfo(left.dtype).eps * length
        unit = jnp.where(kept[:, None], image / jnp.where(kept, left, 1.0)[:, None], 0.0)
        column = lax.dynamic_update_index_in_dim(column, jnp.where(kept, left, 0.0), i + 1, 1)
        return (
            lax.dynamic_update_index_in_dim(basis, unit[:, None], i + 1, 1),
            lax.dynamic_update_index_in_dim(entries, column[:, :, None], i, 2),
        )

    start = jax.random.normal(jax.random.key(0), (n, size), solved.state.dtype)
    basis = jnp.zeros((n, steps + 1, size), start.dtype)
    basis = basis.at[:, 0].set(start / jnp.linalg.norm(start, axis=1, keepdims=True))
    _, entries = lax.fori_loop(0, steps, grown, (basis, jnp.zeros((n, steps + 1, steps), start.dtype)))
    return {"hessenberg": entries[:, :-1]}
