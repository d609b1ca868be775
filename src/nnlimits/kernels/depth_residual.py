"""Infinitely deep residual networks whose blocks have weights of their own: a differential equation for the covariance.

With blocks `x + depth^{-1/2} body(x)` a share `ds` of all blocks adds `K_body ds` to the covariance and `Theta_body ds` to the
NTK, where the body's rule is applied to the state at `s` (Hayou & Yang 2023; Peluchetti & Favaro 2020). For `body = W phi(x)`:

    dK/ds = w_std^2 E[phi phi],    dTheta/ds = w_std^2 E[phi phi] + w_std^2 E[phi' phi'] Theta,    0 <= s <= 1.
"""

import dataclasses
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from nnlimits import nn
from nnlimits.kernels.covariance import Covariance, between, safe_sqrt
from nnlimits.kernels.per_input import per_input, scan
from nnlimits.kernels.rules import covariance_rule
from nnlimits.kernels.semivariance import deficit_of, root_and_inverse

STEPS = 10
"""Steps of the solver; see `tests/kernels/test_depth_residual.py` for the error that is left."""

_POWER = 4
"""Time is `s = u^4` with equal steps in u. Of inputs that are opposite to each other, and kinked activations, the solution is
smooth in the root of s alone; of nearly opposite ones it turns fast near `s = 0`, where the steps are short."""

_SOUND = 1e-3
"""An input whose variance is less than this share of what the blocks add to it is treated as if it had none."""


class _State(NamedTuple):
    """The covariance at some depth, as the solver adds it up; and its derivative in the depth."""

    q1: Array
    q2: Array
    gap: Array
    """Where both inputs are sound, `sqrt(q1 q2) deficit`; else the semivariance. Neither cancels: see `_change`."""
    ntk: Array | None


def residual_limit(bodies: tuple[nn.Layer, ...], covariance: Covariance, parameterization: str) -> Covariance:
    """The covariance after infinitely many residual blocks, for bodies scaled by the power -1/2 of the depth.

    Of several bodies, which are one block after another, the contributions add up. The solver is the one of diffrax, of order
    8, with its coefficients here and equal steps for all pairs: the kernel is deterministic and symmetric. (diffrax's own loops cannot be
    used: what belongs to single inputs is recorded stage by stage, and a stage within its `while_loop` cannot be.)
    """
    start, sound = _begin(bodies, covariance, parameterization)

    def change(state: _State) -> _State:
        return _change(bodies, _covariance(state, sound, covariance), sound, parameterization)

    end = _solve(change, start)
    return dataclasses.replace(_covariance(end, sound, covariance), fresh=covariance.fresh)


def _begin(bodies: tuple[nn.Layer, ...], covariance: Covariance, parameterization: str) -> tuple[_State, tuple[Array, Array]]:
    """The state at the start, and which inputs are sound."""
    added = _added(bodies, covariance, parameterization)
    q1 = jnp.broadcast_to(covariance.q1, jnp.broadcast_shapes(covariance.q1.shape, *(a.q1.shape for a in added)))
    q2 = jnp.broadcast_to(covariance.q2, jnp.broadcast_shapes(covariance.q2.shape, *(a.q2.shape for a in added)))
    sound = per_input(
        lambda now: now[0] > _SOUND * now[1], (q1, sum(a.q1 for a in added)), (q2, sum(a.q2 for a in added))
    )
    r1, r2 = per_input(safe_sqrt, q1, q2)
    deficit = jnp.broadcast_to(covariance.deficit, jnp.broadcast_shapes(q1.shape, q2.shape, covariance.deficit.shape))
    gap = r1 * r2 * deficit + jnp.where(sound[0] & sound[1], 0.0, (r1 - r2) ** 2 / 2)
    ntk = None if covariance.ntk is None else jnp.broadcast_to(covariance.ntk, gap.shape)
    return _State(q1, q2, gap, ntk), sound


def _covariance(state: _State, sound: tuple[Array, Array], like: Covariance) -> Covariance:
    (_, inverse1), (_, inverse2) = per_input(root_and_inverse, state.q1, state.q2)
    by_gap = between(state.gap * (inverse1 * inverse2), 0.0, 2.0)
    deficit = jnp.where(sound[0] & sound[1], by_gap, deficit_of(state.gap, state.q1, state.q2))
    return dataclasses.replace(
        like, q1=state.q1, q2=state.q2, deficit=deficit, ntk=state.ntk, fresh=False, gaussian=like.gaussian
    )


def _added(bodies: tuple[nn.Layer, ...], covariance: Covariance, parameterization: str) -> list[Covariance]:
    """What each body makes of the covariance."""
    start = dataclasses.replace(covariance, fresh=False)
    added = []
    for body in bodies:
        after = covariance_rule(body, start, parameterization)
        if not (after.fresh and after.gaussian):
            raise NotImplementedError(
                f"{body!r} in a residual block of infinite depth must end in a layer with weights, such as nn.Dense, so that what "
                "the blocks add has mean zero and is independent"
            )
        added.append(after)
    return added


def _change(
    bodies: tuple[nn.Layer, ...], covariance: Covariance, sound: tuple[Array, Array], parameterization: str
) -> _State:
    """The derivative of the state. With `r = sqrt(q)`, and `p` that of what is added, whose deficit is `d`:

        (r1 r2 deficit)' = p1 p2 d + r1 r2 (p1 / r1 - p2 / r2)^2 / 2,        S' = p1 p2 d + (p1 - p2)^2 / 2,

    sums of what is positive, and zero where the inputs coincide; the first also where one is a multiple of the other, and
    all is homogeneous. It is singular where a variance begins at zero, and the second is not.
    """
    (r1, inverse1), (r2, inverse2) = per_input(root_and_inverse, covariance.q1, covariance.q2)
    both = sound[0] & sound[1]
    total = None
    for after in _added(bodies, covariance, parameterization):
        p1, p2 = per_input(safe_sqrt, after.q1, after.q2)
        apart = jnp.where(both, r1 * r2 * (p1 * inverse1 - p2 * inverse2) ** 2, (p1 - p2) ** 2) / 2
        now = _State(after.q1, after.q2, p1 * p2 * after.deficit + apart, after.ntk)
        total = now if total is None else jax.tree.map(jnp.add, total, now)
    assert total is not None
    return total


class _Tableau(NamedTuple):
    """An explicit Runge-Kutta method."""

    nodes: np.ndarray
    rows: np.ndarray
    weights: np.ndarray


@cache
def _tableau() -> _Tableau:
    """That of Prince & Dormand's method of order 8, without the last stage, which only the next step would use."""
    import diffrax

    found = diffrax.Dopri8().tableau
    stages = len(found.b_sol) - 1
    rows = np.zeros((stages, stages))
    for i, row in enumerate(found.a_lower[: stages - 1]):
        rows[i + 1, : i + 1] = row
    return _Tableau(np.concatenate([[0.0], found.c])[:stages], rows, np.asarray(found.b_sol)[:stages])


def _solve(change: Any, start: _State) -> _State:
    """The state at `s = 1`."""
    method = _tableau()
    stages = len(method.weights)
    times = (np.arange(STEPS)[:, None] + method.nodes) / STEPS
    speed = _POWER * times ** (_POWER - 1) / STEPS  # of s, in each stage
    rows = method.rows * speed[:, None, :]
    ends = method.weights * speed
    dtype = start.q1.dtype

    def step(state: _State, coefficients: tuple[Array, Array]) -> _State:
        stage_rows, end = coefficients

        def stage(changes: _State, x: tuple[Array, Array]) -> _State:
            row, here = x
            found = change(_plus(state, row, changes))
            return jax.tree.map(lambda all_, one: jnp.where(_lead(here, all_), one, all_), changes, found)

        none = jax.tree.map(lambda v: jnp.zeros((stages, *v.shape), v.dtype), state)
        changes = scan(stage, none, (stage_rows, jnp.eye(stages, dtype=bool)), stages)
        return _plus(state, end, changes)

    return scan(step, start, (jnp.asarray(rows, dtype), jnp.asarray(ends, dtype)), STEPS)


def _lead(flags: Array, like: Array) -> Array:
    return flags.reshape(-1, *(1,) * (like.ndim - 1))


def _plus(state: _State, coefficients: Array, changes: _State) -> _State:
    """The state and a sum of changes; variances are found once an input."""

    def moved(now: tuple[Array, Array]) -> Array:
        return now[0] + (_lead(coefficients, now[1]) * now[1]).sum(0)

    q1, q2 = per_input(moved, (state.q1, changes.q1), (state.q2, changes.q2))
    ntk = None if state.ntk is None or changes.ntk is None else moved((state.ntk, changes.ntk))
    return _State(q1, q2, moved((state.gap, changes.gap)), ntk)
