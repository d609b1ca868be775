"""Kernel rule of the recurrent network, whose weights are tied over time (Yang 2019; Alemohammad et al. 2021).

A step keeps the displacement of two times: the covariance at `(t, t')` follows from that at `(t - 1, t' - 1)`.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from nnlimits import nn
from nnlimits.kernels.attention import mask_of, mixture_of, plain_of
from nnlimits.kernels.collected import every_covariance
from nnlimits.kernels.covariance import Covariance, safe_sqrt
from nnlimits.kernels.displacements import Field, derived
from nnlimits.kernels.dual import dual
from nnlimits.kernels.linear import trained_bias
from nnlimits.kernels.mixing import mixing_rule
from nnlimits.kernels.mixture import mixed
from nnlimits.kernels.per_input import of_examples, per_input, steps
from nnlimits.kernels.positions import Positions
from nnlimits.kernels.rules import covariance_rule, positions_of
from nnlimits.kernels.semivariance import deficit_of, visible


class _States(NamedTuple):
    """Of one input, at all times."""

    variance: Array
    """Before the activation."""
    after: Array
    """After it."""
    previous: Array
    """After the activation, one step earlier; zero at the start."""


@covariance_rule.register
def _rnn(layer: nn.Rnn, covariance: Covariance, parameterization: str) -> Covariance:
    """`K(t, t') = w_std^2 E[phi phi](t - 1, t' - 1) + u_std^2 K_x(t, t') + b_std^2`.

    The NTK follows the same recursion as that of layers, as the parts of all times are independent.
    """
    positions = positions_of(layer, covariance)
    first, second = per_input(partial(_states, layer), covariance.q1, covariance.q2)
    q1, q2 = per_input(lambda q: q, covariance.q1, covariance.q2)
    s, ntk = visible(covariance)
    rows = partial(_by_time, time=positions.grid[0], rank=s.ndim)
    inputs = covariance.width * ((q1 + q2) / 2 - s)
    now = _Now(
        both=_both_have_begun(positions),
        s=rows(s),
        ntk=None if ntk is None else rows(ntk),
        own=rows(jnp.broadcast_to(inputs, s.shape)),
        first=jax.tree.map(rows, first),
        second=jax.tree.map(rows, second),
    )
    like = jnp.zeros_like(now.s[0])
    start = (like, None if ntk is None else like)
    _, (deficit, after) = steps(partial(_step, layer, parameterization), start, now, rows)
    return dataclasses.replace(
        covariance,
        q1=first.after,
        q2=second.after,
        deficit=deficit.reshape(s.shape),
        ntk=None if ntk is None else after.reshape(s.shape),
        width=jnp.asarray(float(layer.width), covariance.width.dtype),
        gaussian=False,
        fresh=True,
        gains=0,
    )


class _Now(NamedTuple):
    """What a step sees of its time, for all pairs."""

    both: Array
    """Whether neither state is at its start."""
    s: Array
    """The semivariance of the inputs."""
    ntk: Array | None
    """Theirs."""
    own: Array
    """What their weights add to the NTK in the standard parameterization."""
    first: _States
    second: _States


def _by_time(values: Array, *, time: int, rank: int) -> Array:
    """Times first, in arrays that go with an image of `rank` axes: times lead, or are joined with the pairs where it is one."""
    if values.ndim < 1:
        return values
    if rank == 1:
        return jnp.moveaxis(values.reshape(*values.shape[:-1], time, -1), -2, 0)
    return jnp.moveaxis(values, -rank, 0)


def _both_have_begun(positions: Positions) -> Array:
    time = jnp.arange(positions.grid[0])
    d = jnp.zeros((), jnp.int32) if positions.displacement is None else positions.displacement[0]
    return (time > 0) & ((time + d) % positions.grid[0] > 0)


def _states(layer: nn.Rnn, q: Array) -> _States:
    """The variances of one input's states, times first."""
    bias = 0.0 if layer.b_std is None else layer.b_std**2

    def step(previous: Array, now: Array) -> tuple[Array, _States]:
        variance = layer.w_std**2 * previous + layer.u_std**2 * now + bias
        after = _activated(layer, variance, variance, jnp.zeros_like(variance))[0]
        return after, _States(variance, after, previous)

    rows = q.reshape(q.shape[0], -1) if q.ndim > 1 else q[:, None]
    found = jax.lax.scan(step, jnp.zeros_like(rows[0]), rows)[1]
    return jax.tree.map(lambda v: v.reshape(q.shape), found)


def _activated(layer: nn.Rnn, q1: Array, q2: Array, deficit: Array) -> tuple[Array, Array, Array | None]:
    """Variance after the activation, deficit, and the mean product of its derivatives."""
    if isinstance(layer.activation, nn.Identity):
        return q1, deficit, None
    after = dual(layer.activation, q1, q2, deficit)
    return after.q1, after.deficit, after.derivative


def _step(layer: nn.Rnn, parameterization: str, previous: tuple[Array, Array | None], now: _Now):
    """The covariance after one step: its state for the next one, the semivariance and the NTK; and deficit and NTK."""
    weight = layer.w_std**2
    s_before, ntk_before = previous
    begun1, begun2 = now.first.previous, now.second.previous
    recurrent = weight * jnp.where(now.both, s_before, (begun1 + begun2) / 2)
    s = recurrent + layer.u_std**2 * now.s
    q1, q2 = now.first.variance, now.second.variance
    r1, r2 = safe_sqrt(now.first.after), safe_sqrt(now.second.after)
    before = deficit_of(s, q1, q2)
    _, deficit, derivative = _activated(layer, q1, q2, before)
    state = r1 * r2 * deficit + (r1 - r2) ** 2 / 2
    if ntk_before is None or now.ntk is None:
        return (state, None), (deficit, None)
    own = safe_sqrt(q1) * safe_sqrt(q2) * (1 - before)
    if parameterization == "standard":
        width = float(layer.width)
        own = jnp.where(now.both, width * ((begun1 + begun2) / 2 - s_before), 0.0) + now.own + trained_bias(layer)
    ntk = own + weight * jnp.where(now.both, ntk_before, 0.0) + layer.u_std**2 * now.ntk
    ntk = ntk if derivative is None else ntk * derivative
    return (state, ntk), (deficit, ntk)


@mixing_rule.register
def _rnn_field(layer: nn.Rnn, source: Field, parameterization: str) -> Field:
    """Where steps are masked, the recursion runs over the others, and every masked time has the state of the last one before."""
    if not source.positions.masked:
        return derived(source, lambda d: covariance_rule(layer, source.image(d), parameterization))
    compressed = _rearranged(source, lambda: _order(source), masked=False)
    states = derived(compressed, lambda d: covariance_rule(layer, compressed.image(d), parameterization))
    return _rearranged(states, lambda: _last(source), masked=True, mask_from=source)


def _order(source: Field) -> Array:
    """The times that are not masked, then the others, (time, n)."""
    mask = mask_of(source)
    assert mask is not None
    return jnp.argsort(mask, axis=0, stable=True)


def _last(source: Field) -> Array:
    """Where the state of each time is among those that are not masked; -1 before the first of them."""
    mask = mask_of(source)
    assert mask is not None
    return jnp.cumsum(~mask, axis=0) - 1


def _rearranged(source: Field, find: Callable[[], Array], *, masked: bool, mask_from: Field | None = None) -> Field:
    """The field at other positions of every example; zeros at position -1."""
    first, second = of_examples(find)
    nngp, ntk = plain_of(every_covariance(source), source)

    def picked(plain: Array) -> Array:
        rows = jnp.take_along_axis(plain, jnp.maximum(first.T, 0)[:, :, None], axis=1)
        found = jnp.take_along_axis(rows, jnp.maximum(second.T, 0)[:, None, :], axis=2)
        return jnp.where((first.T >= 0)[:, :, None] & (second.T >= 0)[:, None, :], found, 0.0)

    mixture = mixture_of(source, picked(nngp), None if ntk is None else picked(ntk))
    positions = dataclasses.replace(mixture.positions, masked=masked)
    return mixed(source, dataclasses.replace(mixture, positions=positions), mask_from)
