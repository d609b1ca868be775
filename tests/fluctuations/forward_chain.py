"""Finite networks at two inputs, simulated through what their forward signals say of the NTK, with nothing of the library's.

Given the pre-activations `u` of all units at both inputs, the rows of the weights of a layer are independent Gaussian
vectors `g_k`, of which `u_ka = g_k . psi_a` is known, `psi` the features (`sqrt(w2 / n) phi(u)` and `sqrt(b2)`), whose Gram
matrix is `S`. So the NTK averaged over all weights that leave the signals as they are is, for units k and l,

    E[H_kl,ab | signals] = delta_kl alpha_ab + u_k' B_ab u_l

with 2 x 2 matrices `B_ab`, and `(S, alpha, B)` of a layer is a function of sums over the units of the layer before: a Markov
chain whose step takes O(width). Its next means and covariances are Gaussian integrals over one unit.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

PAIRS = ((0, 0), (1, 1), (0, 1))
FIRST, SECOND = np.array(PAIRS, np.int32).T
_UPPER = np.triu_indices(6)
_CUBIC = tuple(
    np.array([(p, k) for p, (_, j) in enumerate(zip(*np.triu_indices(3), strict=True)) for k in range(j, 3)]).T
)
_SQUARE = np.array([[0, 2], [2, 1]], np.int32)


class Setting(NamedTuple):
    """What all networks of a run have in common."""

    phi: Callable
    slope: Callable
    nodes: Callable
    """From a covariance to nodes `(q, 2)` and weights `(q,)` of the Gaussian with it."""
    w2: float
    b2: float


class State(NamedTuple):
    """A layer of one network. `kernel` and `ntk` hold the pairs `(0, 0), (1, 1), (0, 1)`; `own[p]` is the `B` of pair `p`."""

    kernel: jax.Array
    ntk: jax.Array
    """`E[H_kk | signals of the layers before]`, that is `alpha + tr(B S)`."""
    own: jax.Array


def trapezoidal_nodes(count, reach=6.0):
    """A product of two trapezoidal rules, which for a Gaussian times a function analytic in a strip beats Gauss's."""
    z = np.linspace(-reach, reach, count)
    w = np.exp(-(z**2) / 2)
    w = np.outer(w, w).ravel() / w.sum() ** 2
    z = np.stack(np.meshgrid(z, z, indexing="ij"), -1).reshape(-1, 2)
    kept = w > 1e-11
    return lambda s: (jnp.asarray(z[kept]) @ _root(s).T, jnp.asarray(w[kept]))


def polar_nodes(s):
    """Sectors that end where a unit changes sign, and radii exact for polynomials of degree 10 in the radius squared."""
    x, v = np.polynomial.legendre.leggauss(14)
    t, tw = np.polynomial.laguerre.laggauss(6)
    root = _root(s)
    first = jnp.arctan2(-root[1, 0], root[1, 1])  # where the second unit is zero
    zeros = jnp.array([math.pi / 2, 3 * math.pi / 2])
    ends = jnp.sort(jnp.mod(jnp.concatenate([zeros, jnp.stack([first, first + math.pi])]), 2 * math.pi))
    ends = jnp.concatenate([ends, ends[:1] + 2 * math.pi])
    half = (ends[1:] - ends[:-1])[:, None] / 2
    angle = (ends[:-1, None] + half * (1 + x)).reshape(-1)
    weights = (half * v).reshape(-1) / (2 * math.pi)
    z = jnp.sqrt(2 * t)[:, None, None] * jnp.stack([jnp.cos(angle), jnp.sin(angle)], -1)
    return z.reshape(-1, 2) @ root.T, (tw[:, None] * weights).reshape(-1)


def _root(s):
    """The Cholesky factor of a 2 x 2 matrix."""
    a = jnp.sqrt(s[0])
    return jnp.stack([jnp.stack([a, 0 * a]), jnp.stack([s[2] / a, jnp.sqrt(jnp.maximum(s[1] - (s[2] / a) ** 2, 0.0))])])


def _inverse(s):
    """That of a 2 x 2 matrix, or the pseudo-inverse of one of rank one: no unit of a narrow layer may be active."""
    determinant, trace = s[0] * s[1] - s[2] ** 2, s[0] + s[1]
    regular = determinant > 1e-13 * trace**2
    adjoint = jnp.stack([s[1], s[0], -s[2]]) / jnp.where(regular, determinant, 1.0)
    return jnp.where(regular, adjoint, s / trace**2)[_SQUARE]


def first_state(x, w2, b2):
    s = b2 + w2 * (x @ x.T / x.shape[1])[FIRST, SECOND]
    return State(s, s, jnp.zeros((3, 2, 2)))


def _alpha(state):
    return state.ntk - jnp.einsum("pce,ce->p", state.own, state.kernel[_SQUARE])


class _Unit(NamedTuple):
    """Columns of features of units; the first axis is the feature's."""

    slopes: jax.Array
    """`d_a d_b` of the three pairs."""
    with_slopes: jax.Array
    """`1, u_0^2, u_1^2, u_0 u_1` and `f_c f_e` of the three pairs."""
    values: jax.Array
    """`f_c d_a`, at `2 c + a`."""
    units: jax.Array


def features(setting, u):
    f, d = setting.phi(u), setting.slope(u)
    pairs = lambda v: v[FIRST] * v[SECOND]  # noqa: E731
    with_slopes = jnp.concatenate([jnp.ones_like(u[:1]), pairs(u), pairs(f)])
    return _Unit(pairs(d), with_slopes, jnp.stack([f[0] * d[0], f[0] * d[1], f[1] * d[0], f[1] * d[1]]), u)


def _through(own, squares):
    """`u' B_p u` summed as `squares` is, which holds `u_0^2, u_1^2, u_0 u_1` along its axis 1."""
    coefficients = jnp.stack([own[:, 0, 0], own[:, 1, 1], own[:, 0, 1] + own[:, 1, 0]], 1)
    return jnp.einsum("pk,pk...->p...", coefficients, squares)


@partial(jax.jit, static_argnums=0)
def unit_sums(setting, u):
    """Means over the units `u` of a layer, `(2, width)`."""
    one = features(setting, u)
    n = u.shape[1]
    return (
        jnp.sum(one.with_slopes[4:], 1) / n,
        one.slopes @ one.with_slopes.T / n,
        one.values @ one.units.T / n,
    )


def next_state(setting, state, sums, width):
    """The state of the next layer; `sums` over the units of this one."""
    values, slopes, mixed = sums
    kernel = setting.b2 + setting.w2 * values
    alpha = _alpha(state)
    through = alpha * slopes[:, 0] + _through(state.own, slopes[:, 1:4])
    inverse = _inverse(kernel)
    both = alpha[:, None, None] * slopes[:, 4:][:, _SQUARE] / width + _in_order(mixed, state.own)
    return State(kernel, kernel + setting.w2 * through, inverse @ (setting.w2**2 * both) @ inverse)


def _in_order(mixed, own):
    """`m_ca' B_ab m_eb` of the pairs `ab`, with `m_ca` the mean of `f_c d_a u`."""
    m = mixed.reshape(2, 2, 2)
    return jnp.einsum("cpx,pxy,epy->pce", m[:, FIRST], own, m[:, SECOND])


class Means(NamedTuple):
    """What is known of the next layer, given the state of this one."""

    mean: jax.Array
    """Of kernel and NTK, six numbers."""
    covariance: jax.Array
    """Their covariance times the width, 6 x 6."""
    skewness: jax.Array
    """The third cumulants of the kernel times the width squared."""
    outputs: jax.Array
    """`E[f_i(x_c) f_j(x_e) H_ij,ab]` of two units, pairs `ab` first."""


def given(setting, state, width):
    u, w = setting.nodes(state.kernel)
    one = features(setting, u.T)
    alpha = _alpha(state)
    through = _through(state.own, jnp.broadcast_to(one.with_slopes[1:4], (3, 3, w.size)))
    ntk = one.slopes * (alpha[:, None] + through)
    unit = setting.w2 * jnp.concatenate([one.with_slopes[4:], one.with_slopes[4:] + ntk])
    mean = unit @ w
    left = unit - mean[:, None]
    bias = setting.b2
    mixed = (one.values * w) @ one.units.T
    itself = (ntk * w) @ one.with_slopes[4:].T
    both = itself[:, _SQUARE] / width + (1 - 1 / width) * _in_order(mixed, state.own)
    third = (_products(left[:3]) * w) @ left[:3].T
    return Means(mean + bias, (left * w) @ left.T, third[_CUBIC], setting.w2**2 * both)


def _vector(state):
    return jnp.concatenate([state.kernel, state.ntk])


def _products(v):
    """Products of two entries, each pair once."""
    i, j = np.triu_indices(len(v))
    return v[i] * v[j]


def _quadratic(v, covariance):
    return _products(v) - covariance[np.triu_indices(len(v))]


@partial(jax.jit, static_argnums=0)
def _second_layer(setting, first, sums, width):
    """The layer after the first, whose fluctuation is a mean of independent terms."""
    known = given(setting, first, width)
    state = jax.vmap(lambda s: next_state(setting, first, s, width))(sums)
    return state, jax.vmap(_vector)(state) - known.mean, known


def _controls(change, before, noise, known, width):
    """Polynomials in the fluctuations of two layers, up to the second degree, of mean zero; of the kernel's up to the third."""
    two = _quadratic(change, before.covariance / width), _quadratic(noise, known.covariance / width)
    cubes = lambda v, m: (_products(v[:3])[:, None] * v[:3])[_CUBIC] - m.skewness / width**2  # noqa: E731
    products = lambda a, b: (a[:, None] * b).ravel()  # noqa: E731
    kernel = _quadratic(noise[:3], known.covariance[:3, :3] / width)
    third = cubes(change, before), cubes(noise, known), products(kernel, change[:3])
    mixed = products(noise, change), products(noise[:3], _products(change[:3]))
    return jnp.concatenate([change, noise, *two, *mixed, *third])


@partial(jax.jit, static_argnums=0)
def _last_layers(setting, states, sums, changes, before, limit, width):
    """Control variates of mean zero, and what is to be averaged."""

    def one(network):
        state, sums, change = network
        known = given(setting, state, width)
        after = next_state(setting, state, sums, width)
        control = _controls(change, before, _vector(after) - known.mean, known, width)
        last = given(setting, after, width)
        away = last.mean - limit
        target = [away, last.covariance[_UPPER] / width + _products(away), last.outputs.ravel()]
        return control, jnp.concatenate(target)

    return jax.lax.map(one, (states, sums, changes))


@jax.jit
def accumulate(total, control, target):
    """The sums of products behind a regression."""
    both = jnp.concatenate([jnp.ones((len(control), 1)), control, target], 1)
    return total + both.T @ both


def limit_of(setting, first, depth=3):
    """Kernel and NTK of infinite width, of the layer after `depth` hidden ones."""
    state = first
    for _ in range(depth):
        mean = given(setting, state, 1e30).mean
        state = State(mean[:3], mean[3:], jnp.zeros((3, 2, 2)))
    return mean


def simulate(setting, x, width, count, seed, batch=1000):
    """Means over `count` networks of three hidden layers, and their standard errors.

    A linear regression on the control variates takes away all of the variance but that of third order in the fluctuations;
    each half of the networks uses the coefficients of the other, so that nothing is biased.
    """
    rng = np.random.default_rng([seed, width])
    first = first_state(jnp.asarray(x), setting.w2, setting.b2)
    limit = limit_of(setting, first)
    draw = jax.jit(jax.vmap(lambda s, z: unit_sums(setting, _root(s.kernel) @ z)))
    repeated = jax.tree.map(lambda v: jnp.broadcast_to(v, (batch, *v.shape)), first)
    halves = [0.0, 0.0]
    for i in range(count // batch):
        sums = draw(repeated, rng.standard_normal((batch, 2, width)))
        state, change, known = _second_layer(setting, first, sums, width)
        sums = draw(state, rng.standard_normal((batch, 2, width)))
        control, target = _last_layers(setting, state, sums, change, known, limit, width)
        halves[i % 2] = accumulate(halves[i % 2], control, target)
    return regressed([np.asarray(h) for h in halves], control.shape[1])


def regressed(halves, controls):
    """Means of the targets and their standard errors, from the sums of products of two halves of the networks."""
    means, variances = [], []
    for own, other in (halves, halves[::-1]):
        beta = _coefficients(_covariance(other), controls)
        average = own[0, 1:] / own[0, 0]
        means.append(average[controls:] - average[:controls] @ beta)
        c = _covariance(own)
        left = np.diag(c[controls:, controls:]) - 2 * (beta * c[:controls, controls:]).sum(0)
        variances.append((left + (beta * (c[:controls, :controls] @ beta)).sum(0)) / own[0, 0])
    return sum(means) / 2, np.sqrt(np.maximum(sum(variances), 0.0)) / 2


def _covariance(sums):
    return sums[1:, 1:] / sums[0, 0] - np.outer(sums[0, 1:], sums[0, 1:]) / sums[0, 0] ** 2


def _coefficients(covariance, controls):
    scale = np.sqrt(np.diag(covariance)[:controls])
    scale[scale == 0] = 1.0
    gram = covariance[:controls, :controls] / np.outer(scale, scale)
    cross = covariance[:controls, controls:] / scale[:, None]
    return np.linalg.lstsq(gram, cross, rcond=1e-12)[0] / scale[:, None]
