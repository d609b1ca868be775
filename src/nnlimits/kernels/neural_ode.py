"""Kernel rule of `NeuralODE`: a residual network of infinite depth whose weights are tied.

With one draw of the field's weights for all depths, the states `x_s = x_0 + int_0^s field(x_r) dr` of all inputs at all depths
are jointly Gaussian, and so is the field as a random function. The covariance of a state of one input at depth s and of
another at depth t, and the NTK between them, obey

    d^2 C / ds dt = K_field(C)(s, t),        d^2 T / ds dt = Theta_field(C, T)(s, t),

where the field's rules see the pair of depths as a pair of inputs, and `C = K_0`, `T = Theta_0` where s or t is at the start:
a Goursat problem (as of neural signature kernels: Cirone, Lemercier & Salvi 2023, theorem 3.2).

It is solved by collocation (`goursat.py`) and Picard iteration, which converges like `a^m / (m!)^2` in m iterations; how
finely, is found from the expression (`ode_fineness.py`). Numbers that have not settled are NaN.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from nnlimits import nn
from nnlimits.kernels.covariance import Covariance, between
from nnlimits.kernels.goursat import Collocation, collocation
from nnlimits.kernels.ode_fineness import Fineness, fineness, reaches
from nnlimits.kernels.per_input import again, per_input, without_record
from nnlimits.kernels.rules import covariance_rule
from nnlimits.kernels.semivariance import root_and_inverse

_SETTLED = {"float64": 1e-6, "float32": 1e-2}
"""What the last iteration may change, relative to the scale of a kernel: the error left is smaller by a factor of 20 and more.

More than the rounding of the derivative of kinked activations near coincident inputs, the root of that of numbers.
"""
_ROUNDING = 32
"""In units of the last place: deficits up to this are those of an input and itself, at one depth."""

Kernels = tuple[Array, Array | None]
"""Covariance and NTK."""
Step = Callable[[Kernels], Kernels]


@covariance_rule.register
def _neural_ode(layer: nn.NeuralODE, covariance: Covariance, parameterization: str) -> Covariance:
    _check(layer, covariance)
    flow = _Flow(layer, covariance, parameterization)
    nngp = covariance.nngp
    first, second = per_input(partial(_variances, flow), covariance.q1, covariance.q2)
    q1, q2, nodes1, nodes2 = first.end, second.end, first.nodes, flow.swapped(second.nodes)
    rules = again(lambda: _field(flow, nodes1, nodes1, nodes1, covariance.ntk), flow.swapped)
    if covariance.q1.ndim == flow.axes + 1:  # inputs paired with themselves
        ntk = without_record(lambda: _alone(flow, covariance.q1, covariance.ntk)[1])
        _deficit(q1, q1, q2)
        return dataclasses.replace(covariance, q1=q1, q2=q2, deficit=jnp.zeros_like(q1), ntk=ntk, seen=None)

    def kernels(now: Kernels) -> Kernels:
        return rules(lambda: _field(flow, nodes1, nodes2, *now))

    nngp, ntk = flow.picard(kernels, (nngp, covariance.ntk), q1, q2)
    return dataclasses.replace(covariance, q1=q1, q2=q2, deficit=_deficit(nngp, q1, q2), ntk=ntk, seen=None)


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
    """The equation of one layer for given inputs."""

    layer: nn.NeuralODE
    like: Covariance
    parameterization: str

    @property
    def axes(self) -> int:
        """Axes of positions."""
        return 0 if self.like.positions is None else len(self.like.positions.grid)

    @property
    def fineness(self) -> Fineness:
        """How many pairs of depths, and iterations."""
        return fineness(self.layer, self.like.q1.dtype)

    @property
    def rule(self) -> Collocation:
        """The pairs of depths."""
        return collocation(self.fineness.nodes)

    def swapped(self, values: Array) -> Array:
        """What belongs to the first depth of each pair of depths, for the second.

        Of arrays of any number of leading axes: those of the inputs are the last ones, and the pairs come before them.
        """
        if values.ndim == 0:
            return values
        inputs = self.like.q1.ndim - self.axes
        return jnp.roll(values, self.rule.pairs // 2, values.ndim - inputs - 1)

    def integrated(self, values: Array, matrix: np.ndarray) -> Array:
        """Double integrals of values at the pairs of depths."""
        start, end = self.layer.span
        matrix = (end - start) ** 2 * matrix
        found = jnp.tensordot(
            jnp.asarray(matrix, values.dtype), values, (1, self.axes), precision=lax.Precision.HIGHEST
        )
        return jnp.moveaxis(found, 0, self.axes)

    def picard(self, kernels: Step, start: Kernels, q1: Array, q2: Array) -> Kernels:
        """The solution at the end, where variances are `q1` and `q2`, from that at the start, by what the field makes of kernels
        at all pairs of depths.
        """
        start = jax.tree.map(lambda v: jnp.expand_dims(v, self.axes), start)
        shapes = jax.eval_shape(kernels, jax.tree.map(lambda v: jnp.repeat(v, self.rule.pairs, self.axes), start))
        nothing = jax.tree.map(lambda like: jnp.zeros(like.shape, like.dtype), shapes)
        found = self.iterated(lambda now: kernels(self.plus(start, now, self.rule.rectangles)), nothing)
        return self.ended(start, found, jnp.sqrt(q1) * jnp.sqrt(q2))

    def plus(self, start: Kernels, found: Kernels, matrix: np.ndarray) -> Kernels:
        """A solution from that at the start, of one pair of depths, and integrals of what the field makes."""
        return jax.tree.map(lambda a, b: a + self.integrated(b, matrix), start, found)

    def iterated(self, step: Step, nothing: Kernels) -> tuple[Kernels, Kernels]:
        """What the field makes at all pairs of depths, and what the last iteration has changed of it."""

        def next_one(state: tuple[Kernels, Kernels], _: None) -> tuple[tuple[Kernels, Kernels], None]:
            return (step(state[0]), state[0]), None

        (found, before), _ = lax.scan(next_one, (nothing, nothing), length=self.fineness.iterations)
        return found, jax.tree.map(jnp.subtract, found, before)

    def ended(self, start: Kernels, found: tuple[Kernels, Kernels], scale: Array | None) -> Kernels:
        """The solution at the end; NaN where it has not settled, in units of itself and of `scale`."""
        end = self.plus(start, found[0], self.rule.whole)
        tolerance = _SETTLED.get(str(self.like.q1.dtype), _SETTLED["float32"])
        accurate = reaches(self.layer, self.like.q1.dtype)

        def settled(value: Array, change: Array) -> Array:
            value, moved = (v.squeeze(self.axes) for v in (value, self.integrated(change, self.rule.whole)))
            size = abs(value) + (0.0 if scale is None else scale)
            return jnp.where((abs(moved) <= tolerance * size) & accurate, value, jnp.nan)

        return jax.tree.map(settled, end, found[1])


def _field(flow: _Flow, q1: Array, q2: Array, nngp: Array, ntk: Array | None) -> Kernels:
    """What the field makes of states with these variances and covariances."""
    shape = jnp.broadcast_shapes(q1.shape, q2.shape, nngp.shape)
    deficit = jnp.broadcast_to(_deficit(nngp, q1, q2), shape)
    ntk = None if ntk is None else jnp.broadcast_to(ntk, shape)
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


class _Variances(NamedTuple):
    """Of single inputs."""

    nodes: Array
    """At the first depth of every pair of depths, (*positions, pairs, n)."""
    end: Array


def _alone(flow: _Flow, q: Array, ntk: Array | None) -> tuple[_Variances, Array | None]:
    """Variances of single inputs, and their NTK at the end."""

    def at_nodes(added: Array) -> Array:
        return jnp.expand_dims(q, flow.axes) + flow.integrated(added, flow.rule.squares)

    nothing = jnp.zeros((*q.shape[: flow.axes], flow.rule.pairs, *q.shape[flow.axes :]), q.dtype)
    begin = jax.tree.map(lambda v: jnp.expand_dims(v, flow.axes), (q, ntk))

    def step(found: Kernels) -> Kernels:
        variances = at_nodes(found[0])
        now = flow.plus(begin, found, flow.rule.rectangles)
        return _field(flow, variances, flow.swapped(variances), *now)

    found = flow.iterated(step, (nothing, None if ntk is None else nothing))
    end = flow.ended(begin, found, None)
    return _Variances(at_nodes(found[0][0]), end[0]), end[1]


def _variances(flow: _Flow, q: Array) -> _Variances:
    return _alone(flow, q, None)[0]
