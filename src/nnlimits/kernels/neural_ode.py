"""Kernel rule of `NeuralODE`: a residual network of infinite depth whose weights are tied.

With one draw of the field's weights for all depths, the states `x_s = x_0 + int_0^s field(x_r) dr` of all inputs at all depths
are jointly Gaussian, and so is the field as a random function. The covariance of a state of one input at depth s and of
another at depth t, and the NTK between them, obey

    d^2 C / ds dt = K_field(C)(s, t),        d^2 T / ds dt = Theta_field(C, T)(s, t),

where the field's rules see the pair of depths as a pair of inputs, and `C = K_0`, `T = Theta_0` where s or t is at the start:
a Goursat problem (as of neural signature kernels: Cirone, Lemercier & Salvi 2023, theorem 3.2).

It is solved by collocation at Gauss-Legendre nodes and Picard iteration, which converges like `a^m / (m!)^2` in m iterations.
Every iterate is a sum of positive semi-definite matrices, with positive weights.
"""

import dataclasses
from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from nnlimits import nn
from nnlimits.kernels.covariance import Covariance, between
from nnlimits.kernels.per_input import again, per_input, without_record
from nnlimits.kernels.rules import covariance_rule
from nnlimits.kernels.semivariance import root_and_inverse

NODES = {"float64": 10, "float32": 6}
"""Depths at which the covariances are known, for each of two inputs."""
_ITERATIONS = {"float64": 16, "float32": 10}
_ROUNDING = 32
"""In units of the last place: deficits up to this are those of an input and itself, at one depth."""

Kernels = tuple[Array, Array | None]
"""Covariance and NTK."""


class _Rule(NamedTuple):
    """Collocation in `s = u^2` on [0, 1]: of inputs opposite to each other, the covariance is smooth in the root of s."""

    integrals: np.ndarray
    """(nodes, nodes): from values at nodes to the integral from 0 to each node."""
    weights: np.ndarray
    """(1, nodes): to the integral up to 1."""


@cache
def _rule(count: int) -> _Rule:
    z, w = np.polynomial.legendre.leggauss(count)
    u, w = (z + 1) / 2, w / 2
    # integrals of the Lagrange polynomials: by the same rule on [0, u_i], which is exact for their degree
    inner = u[:, None] * u[None, :]
    above = inner[:, :, None, None] - u[None, None, None, :]
    below = u[:, None] - u[None, :] + np.eye(count)
    factors = np.where(np.eye(count, dtype=bool), 1.0, above / below)
    lagrange = factors.prod(-1)  # (node, inner node, polynomial)
    return _Rule(u[:, None] * np.einsum("ijk,j->ik", lagrange, w) * 2 * u, (2 * u * w)[None])


@covariance_rule.register
def _neural_ode(layer: nn.NeuralODE, covariance: Covariance, parameterization: str) -> Covariance:
    _check(layer, covariance)
    flow = _Flow(layer, covariance, parameterization)
    first, second = per_input(partial(_variances, flow), covariance.q1, covariance.q2)
    q1, q2 = first[1], second[1]
    after = dataclasses.replace(covariance, q1=q1, q2=q2, seen=None)
    nngp = covariance.nngp
    if covariance.q1.ndim == flow.axes + 1:  # inputs paired with themselves: record what pairs will ask
        q = first[0].reshape(*first[0].shape[: flow.axes], -1)
        again(lambda: _field(flow, q, q, q, None if covariance.ntk is None else q), flow.count)
        _deficit(q1, q1, q2)
        ntk = without_record(lambda: _alone(flow, covariance.q1, covariance.ntk)[2])
        return dataclasses.replace(after, deficit=jnp.zeros_like(q1), ntk=ntk)
    nngp, ntk = _pairs(flow, (nngp, covariance.ntk), first[0], second[0])
    return dataclasses.replace(after, deficit=_deficit(nngp, q1, q2), ntk=ntk)


def _check(layer: nn.NeuralODE, covariance: Covariance) -> None:
    positions = covariance.positions
    reason = None
    if layer.time_dependent:
        reason = "a field that sees the time, time_dependent=True"
    elif layer.augment:
        reason = "augment, which adds channels of zeros"
    elif positions is not None and (positions.cyclic or positions.masked or positions.displacement is not None):
        reason = "a global pooling, attention or a mask in the network, which need all pairs of positions"
    elif covariance.gains != 0 or covariance.same is not None:
        reason = "trainable gains (nn.ChannelAffine) or dropout before it or in the network"
    if reason is not None:
        raise NotImplementedError(
            f"nn.NeuralODE has no kernel rule at infinite width with {reason}. Leave it out, or estimate the kernel of a finite "
            "network (nnlimits.empirical.monte_carlo)"
        )


class _Flow(NamedTuple):
    layer: nn.NeuralODE
    like: Covariance
    parameterization: str

    @property
    def axes(self) -> int:
        """Axes of positions."""
        return 0 if self.like.positions is None else len(self.like.positions.grid)

    @property
    def dtype(self) -> str:
        name = str(self.like.q1.dtype)
        return name if name in NODES else "float32"

    @property
    def count(self) -> int:
        """Nodes."""
        return NODES[self.dtype]

    def integrated(self, values: Array, axes: tuple[int, int], *, whole: bool = False) -> Array:
        """The double integral up to each node, or up to the end, along two axes of nodes."""
        start, end = self.layer.span
        rule = _rule(self.count)
        matrix = jnp.asarray((end - start) * (rule.weights if whole else rule.integrals), values.dtype)
        for axis in axes:
            values = jnp.moveaxis(jnp.tensordot(matrix, values, (1, axis), precision=lax.Precision.HIGHEST), 0, axis)
        return values

    def picard(
        self, kernels: Callable[[Kernels], Kernels], start: Kernels, axes: tuple[int, int]
    ) -> tuple[Kernels, Kernels]:
        """The solution at all pairs of nodes, and at the end (one node), from that at the start."""

        def plus(now: Kernels, *, whole: bool = False) -> Kernels:
            found = kernels(now)
            return jax.tree.map(lambda a, b: a + self.integrated(b, axes, whole=whole), start, found)

        shapes = jax.eval_shape(kernels, start)
        begin = jax.tree.map(lambda v, like: jnp.broadcast_to(v, like.shape), start, shapes)
        solution, _ = lax.scan(lambda now, _: (plus(now), None), begin, length=_ITERATIONS[self.dtype])
        return solution, plus(solution, whole=True)


def _field(flow: _Flow, q1: Array, q2: Array, nngp: Array, ntk: Array | None) -> Kernels:
    """What the field makes of states with these variances and covariances."""
    deficit = jnp.broadcast_to(_deficit(nngp, q1, q2), nngp.shape)
    state = dataclasses.replace(flow.like, q1=q1, q2=q2, deficit=deficit, ntk=ntk, fresh=False, seen=None)
    after = covariance_rule(flow.layer.field, state, flow.parameterization)
    if not (after.fresh and after.gaussian):
        raise NotImplementedError(
            f"the field of nn.NeuralODE must end in a layer with weights, such as nn.Dense, for a kernel at infinite width; "
            f"received {flow.layer.field!r}"
        )
    return jnp.broadcast_to(after.nngp, deficit.shape), None if after.ntk is None else jnp.broadcast_to(
        after.ntk, deficit.shape
    )


def _deficit(nngp: Array, q1: Array, q2: Array) -> Array:
    (_, inverse1), (_, inverse2) = per_input(root_and_inverse, q1, q2)
    deficit = 1 - nngp * inverse1 * inverse2
    return between(jnp.where(deficit < _ROUNDING * jnp.finfo(deficit.dtype).eps, 0.0, deficit), 0.0, 2.0)


def _alone(flow: _Flow, q: Array, ntk: Array | None) -> tuple[Array, Array, Array | None]:
    """Of single inputs with themselves: variances at the nodes (*positions, nodes, n), variance and NTK at the end."""
    axis = flow.axes
    axes = (axis, axis + 1)

    def across(values: Array) -> Array:
        return jnp.moveaxis(jnp.diagonal(values, axis1=axis, axis2=axis + 1), -1, axis)

    def kernels(now: Kernels) -> Kernels:
        variances = across(jnp.broadcast_to(now[0], shape))
        q1, q2 = jnp.expand_dims(variances, axis + 1), jnp.expand_dims(variances, axis)
        nngp, ntk = jax.tree.map(lambda v: jnp.broadcast_to(v, shape), now)
        return _field(flow, q1, q2, nngp, ntk)

    start = jax.tree.map(lambda v: jnp.expand_dims(v, axes), (q, ntk))
    shape = (*q.shape[:axis], flow.count, flow.count, *q.shape[axis:])
    (nngp, _), end = flow.picard(kernels, start, axes)
    q_end, ntk_end = jax.tree.map(lambda v: v.squeeze(axes), end)
    return across(nngp), q_end, ntk_end


def _variances(flow: _Flow, q: Array) -> tuple[Array, Array]:
    return _alone(flow, q, None)[:2]


def _pairs(flow: _Flow, begin: Kernels, nodes1: Array, nodes2: Array) -> Kernels:
    """The covariance and the NTK at the end, for all pairs of two batches.

    The nodes of an input are inputs side by side to the field's rules: rows and columns of (nodes n1, nodes n2).
    """
    lead = nodes1.shape[: flow.axes]
    n1, n2 = nodes1.shape[-2], nodes2.shape[-1]
    q1, q2 = nodes1.reshape(*lead, -1, 1), nodes2.reshape(*lead, 1, -1)
    apart = (*lead, flow.count, n1, flow.count, n2)
    rules = again(lambda: None, flow.count)

    def kernels(now: Kernels) -> Kernels:
        nngp, ntk = jax.tree.map(lambda v: jnp.broadcast_to(v, apart).reshape(*lead, flow.count * n1, -1), now)
        found = rules(lambda: _field(flow, q1, q2, nngp, ntk))
        return jax.tree.map(lambda v: v.reshape(apart), found)

    shape = (*lead, 1, n1, 1, n2)
    axes = (flow.axes, flow.axes + 2)
    start = jax.tree.map(lambda v: jnp.broadcast_to(v, (*lead, n1, n2)).reshape(shape), begin)
    end = flow.picard(kernels, start, axes)[1]
    return jax.tree.map(lambda v: v.squeeze(axes), end)
