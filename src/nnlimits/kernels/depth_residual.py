"""Infinitely deep residual networks whose blocks have weights of their own: a differential equation for the covariance.

With blocks `x + depth^{-1/2} body(x)` a share `ds` of all blocks adds `K_body ds` to the covariance and `Theta_body ds` to the
NTK, where the body's rule is applied to the state at `s` (Hayou & Yang 2023; Peluchetti & Favaro 2020). For `body = W phi(x)`:

    dK/ds = w_std^2 E[phi phi],    dTheta/ds = w_std^2 E[phi phi] + w_std^2 E[phi' phi'] Theta,    0 <= s <= 1.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from nnlimits import nn
from nnlimits.kernels.covariance import Covariance, between, safe_sqrt
from nnlimits.kernels.per_input import per_input, scan
from nnlimits.kernels.rules import covariance_rule
from nnlimits.kernels.semivariance import deficit_of, root_and_inverse

RUNS = {"float64": (12, 16, 24, 32, 48, 64), "float32": (12, 16, 24, 32)}
"""Steps of the midpoint rule in runs from which the solution is extrapolated (Gragg 1965; Bulirsch & Stoer 1966)."""

_SOUND = 1e-3
"""An input whose variance is less than this share of what the blocks add to it is treated as if it had none."""


class _State(NamedTuple):
    """The covariance at some depth, as the solver adds it up; and its derivative in the depth."""

    q1: Array
    q2: Array
    gap: Array
    """Where both inputs are sound, `sqrt(q1 q2) deficit`; else the semivariance. Neither cancels: see `_change`."""
    ntk: Array | None


def residual_limit(
    bodies: tuple[nn.Layer, ...], covariance: Covariance, parameterization: str, refinement: int
) -> Covariance:
    """The covariance after infinitely many residual blocks, for bodies scaled by the power -1/2 of the depth.

    Of several bodies, which are one block after another, the contributions add up. The steps are the same for all pairs: the
    kernel is symmetric and smooth. A step asks for one evaluation of the body and ends with few arrays of all pairs, as one
    of a deep network does; the stages of a Runge-Kutta method are many (and in diffrax, stages are a loop within which
    nothing can be recorded of single inputs).

    In float64 the solver's error is below 1e-10 where `refinement` is one for each 4 of the bodies' `strength`; in float32 it is
    below 1e-6.

    Steps are equal in `u = sqrt(s)`: of inputs that are opposite to each other, and kinked activations, the solution is smooth
    in u, and not in s.
    """
    start, sound = _begin(bodies, covariance, parameterization)

    def change(state: _State) -> _State:
        return _change(bodies, _covariance(state, sound, covariance), sound, parameterization)

    runs = RUNS.get(str(start.q1.dtype), RUNS["float32"])
    end = _solve(change, start, tuple(steps * refinement for steps in runs))
    return dataclasses.replace(_covariance(end, sound, covariance), fresh=covariance.fresh)


def _begin(
    bodies: tuple[nn.Layer, ...], covariance: Covariance, parameterization: str
) -> tuple[_State, tuple[Array, Array]]:
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
                f"{body!r} in a residual block of infinite depth must end in a layer with weights, such as nn.Dense, so that "
                "what the blocks add has mean zero and is independent"
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


def _solve(change: Callable[[_State], _State], start: _State, runs: tuple[int, ...]) -> _State:
    """The state at `s = 1`, extrapolated from runs of the midpoint rule, one after another in one loop."""
    dtype = start.q1.dtype
    begins, shares, weights = (np.concatenate(parts) for parts in zip(*map(_run, runs, _weights(runs)), strict=True))

    def step(carry: tuple[_State, _State, _State], x: tuple[Array, Array, Array]) -> tuple[_State, _State, _State]:
        begin, share, weight = x
        before, now, total = carry
        before, now = (_where(begin, start, state) for state in (before, now))
        after = _combine(lambda v: v[0] + share * v[1], before, change(now))
        return now, after, _combine(lambda v: v[0] + weight * v[1], total, after)

    xs = jnp.asarray(begins), jnp.asarray(shares, dtype), jnp.asarray(weights, dtype)
    nothing = jax.tree.map(jnp.zeros_like, start)
    return scan(step, (start, start, nothing), xs, len(begins))[2]


def _run(steps: int, weight: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of one run: where it begins, what share of the change is added, and the weight of what is reached.

    `y_{n+1} = y_{n-1} + 2 h y'(u_n)` with `y' = 2 u dy/ds`. As that vanishes at `u = 0`, `y_1 = y_0`, and the run begins there.
    """
    n = np.arange(1, steps)
    return n == 1, 4 * n / steps**2, np.where(n == steps - 1, weight, 0.0)


def _weights(runs: tuple[int, ...]) -> list[float]:
    """Of the runs, for the limit of no step: an error in even powers of `1 / N` is extrapolated by a polynomial in `1 / N^2`."""
    return [math.prod(n**2 / (n**2 - m**2) for m in runs if m != n) for n in runs]


def _where(flag: Array, one: _State, other: _State) -> _State:
    return jax.tree.map(lambda a, b: jnp.where(flag, a, b), one, other)


def _combine(function: Callable[[tuple[Array, Array]], Array], one: _State, other: _State) -> _State:
    """A function of two states, number by number; variances are found once an input."""
    q1, q2 = per_input(function, (one.q1, other.q1), (one.q2, other.q2))
    ntk = None if one.ntk is None or other.ntk is None else function((one.ntk, other.ntk))
    return _State(q1, q2, function((one.gap, other.gap)), ntk)
