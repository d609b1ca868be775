"""The size of the Jacobian of equilibrium cells, as a penalty that keeps their fixed points easy to find."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits import nn
from nnlimits.nn.examination import Solved, examining
from nnlimits.nn.fields import as_integer
from nnlimits.nn.reports import Statistics
from nnlimits.validation import check_instance


def jacobian_penalty(
    network: nn.Layer, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray, *, probes: int = 1
) -> Float[Array, ""]:
    """`|J|_F^2 / d` of the cells at their fixed points, estimated, averaged over examples and summed over the equilibrium layers.

    J is the Jacobian of the cell in the state, of d entries. With v of N(0, I), `E |v^T J|^2 = |J|_F^2` (Hutchinson 1990; Bai,
    Koltun & Kolter 2021, equation 5). The estimate can be differentiated, for use in a loss with a weight. The gradient is that
    of the penalty, the motion of the fixed point with the parameters included.

    **Arguments:** `network`, with at least one `nn.Equilibrium`; `params`; `x`; `key`, a JAX random key; `probes`, the number of
    vectors v, over which it averages.

    **Raises:** `TypeError` for what is no network; `ValueError` if the network has no such layer; `SolveError` if an equation
    is not solved.
    """
    check_instance("network", network, nn.Layer)
    count = as_integer("probes", 1, probes)

    def look(solved: Solved) -> Statistics:
        _, pull = jax.vjp(lambda z: solved.function(z, solved.args), solved.state)
        keys = jax.random.split(key, count)
        vectors = jax.vmap(lambda one: jax.random.normal(one, solved.state.shape, solved.state.dtype))(keys)
        (products,) = jax.vmap(pull)(vectors)
        return {"jacobian_penalty": jnp.sum(products**2) / (count * solved.state.size)}

    with examining(look) as reports:
        network.apply(params, x)
    penalties = [report.statistics["jacobian_penalty"] for report in reports if "jacobian_penalty" in report.statistics]
    if not penalties:
        raise ValueError(no_fixed_point(network))
    return sum((jnp.sum(penalty) for penalty in penalties), start=jnp.zeros((), x.dtype))


def no_fixed_point(network: nn.Layer) -> str:
    """The message for a network in which there is no equilibrium layer."""
    return f"network has no layer with a fixed point, such as nn.Equilibrium(nn.Cell(...)); received {network!r}"
