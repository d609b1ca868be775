"""Depth as time: what one block does to the variance, the correlation and the gradients of a signal.

The block acts on pairs of inputs of an infinitely wide network (Poole et al. 2016; Schoenholz et al. 2017). Its rules are those
of the kernel: the correlation is carried as the deficit, one minus it, and how a block multiplies the NTK of the layers before
it is how it multiplies the products of gradients, and a small change of the covariance.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from nnlimits import nn
from nnlimits.kernels import Covariance, covariance_rule
from nnlimits.kernels.per_input import record

Values = Float[Array, "..."]


class BlockMap(eqx.Module):
    """The maps of one block, elementwise in arrays of variances and deficits; a PyTree of the block's hyper-parameters."""

    block: nn.Layer

    def variance(self, q: Values) -> Values:
        """The variance of a unit after the block, from that before: `V(q) = w_std^2 E[phi^2] + b_std^2` for a dense one."""
        state = self._state(q, jnp.zeros_like(q), None, jnp.ones(jnp.shape(q), bool))
        return _of_shape(state.q1, jnp.shape(q))

    def deficit(self, q: Values, deficit: Values) -> Values:
        """One minus the correlation of two inputs of variance `q` after the block, from that before."""
        shape = jnp.broadcast_shapes(jnp.shape(q), jnp.shape(deficit))
        return _of_shape(self._state(q, deficit, None).deficit, shape)

    def chi_parallel(self, q: Values) -> Values:
        """`dV/dq`, the growth of a small difference in variance."""
        return jax.jvp(self.variance, (q,), (jnp.ones_like(q),))[1]

    def chi_perp(self, q: Values) -> Values:
        """The growth of the mean square of a gradient, and of a small perturbation that is orthogonal to the signal:
        `w_std^2 E[phi'^2]` for a dense block.
        """
        return self.growth(q, jnp.zeros_like(q), jnp.ones(jnp.shape(q), bool))

    def slope(self, q: Values, deficit: Values) -> Values:
        """The derivative of the correlation map at variance `q` and correlation `1 - deficit`."""
        return self.growth(q, deficit, jnp.zeros(jnp.shape(deficit), bool)) * (q / self.variance(q))

    def growth(self, q: Values, deficit: Values, same: Bool[Array, "..."]) -> Values:
        """The derivative of the covariance of two inputs in that before (by Price's theorem `w_std^2 E[phi' phi']` for a dense
        block), and of the products of their gradients; `same` where the two are one input, whose masks of dropout are one.
        """

        def after(ntk: Values) -> Values:
            state = self._state(q, deficit, ntk, same)
            assert state.ntk is not None
            return _of_shape(state.ntk, shape)

        shape = jnp.broadcast_shapes(jnp.shape(q), jnp.shape(deficit))
        nothing = jnp.zeros(shape, jnp.result_type(q))
        return jax.jvp(after, (nothing,), (jnp.ones_like(nothing),))[1]

    def _state(self, q: Values, deficit: Values, ntk: Values | None, same: Any = None) -> Covariance:
        return rule_of_equals(self.block, gaussian_state(q, deficit, ntk, same))


def rule_of_equals(layer: nn.Layer, state: Covariance) -> Covariance:
    """The kernel's rule of a layer, for pairs of equal variance: what belongs to single inputs is found once for both."""
    return record(lambda: covariance_rule(layer, state, "ntk"))[0]


def gaussian_state(q: Values, deficit: Values, ntk: Values | None, same: Any = None) -> Covariance:
    """Gaussian units of variance `q` at two inputs, in arrays of one axis at least."""
    shape = jnp.broadcast_shapes(jnp.shape(q), jnp.shape(deficit), (1,))
    q, deficit = jnp.broadcast_to(q, shape), jnp.broadcast_to(deficit, shape)
    return Covariance(
        q1=q,
        q2=q,
        deficit=deficit,
        ntk=None if ntk is None else jnp.broadcast_to(ntk, shape),
        width=jnp.ones((), q.dtype),
        same=None if same is None else jnp.broadcast_to(same, shape),
        gaussian=True,
        fresh=True,
    )


def _of_shape(values: Values, shape: tuple[int, ...]) -> Values:
    return jnp.broadcast_to(values, shape or (1,)).reshape(shape)
