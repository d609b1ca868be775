"""Wasserstein distances between populations of neurons."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray
from scipy import optimize, sparse
from scipy.spatial import distance

from nnlimits.compute.precision import precision_of
from nnlimits.mean_field.neurons import Neurons
from nnlimits.validation import check_positive

_MOST_ASSIGNED, _MOST_PAIRS = 4096, 2**17
"""Neurons up to which the assignment problem is solved, and pairs up to which the linear program is."""

_BLUR = 1e-3
"""The entropic penalty, relative to the mean cost of a pair."""


def wasserstein(first: Neurons, second: Neurons, order: int | float = 2.0) -> float:
    """The Wasserstein distance of an order between two measures of neurons, `(min E|theta - theta'|^order)^(1/order)` over the
    joint laws that have the two as marginals.

    Exact for neurons of one parameter; for equal masses as long as the least common multiple of the two numbers of neurons is at
    most 4,096; and for any masses up to 131,072 pairs. For others the Sinkhorn divergence of OTT-JAX, with a penalty of 1e-3 of
    the mean cost (Feydy et al. 2019).

    Between m independent draws and their law it falls as `m^(-1/2)` in one dimension, and as `m^(-1/p)` in `p > 2 order`
    dimensions whatever the dynamics (Fournier & Guillin 2015, theorem 1); `sliced_wasserstein` falls as `m^(-1/2)` in all.

    **Arguments:** `first`, `second`, of as many parameters each and of the same total mass; `order`, at least 1.

    **Returns:** the distance; of measures of another mass than one, that of the measures divided by it.

    **Raises:** `ValueError` for populations that do not fit; `ImportError` where OTT-JAX is needed and absent.
    """
    (x, a), (y, b) = _checked(first, second, order)
    if x.shape[1] == 1:
        return _root(_by_quantiles(x[:, 0], a, y[:, 0], b, order), order)
    equal = _equal(a) and _equal(b)
    if not (equal and len(x) == len(y)) and len(x) * len(y) <= _MOST_PAIRS:
        return _root(_by_program(_costs(x, y, order), a, b), order)
    copies = math.lcm(len(x), len(y))
    if equal and copies <= _MOST_ASSIGNED:
        costs = _costs(np.repeat(x, copies // len(x), 0), np.repeat(y, copies // len(y), 0), order)
        return _root(costs[optimize.linear_sum_assignment(costs)].mean(), order)
    return _root(_entropic(x, a, y, b, order), order)


def sliced_wasserstein(
    first: Neurons, second: Neurons, key: PRNGKeyArray, *, order: int | float = 2.0, projections: int = 128
) -> float:
    """The Wasserstein distance of two measures of neurons along a random direction, as a mean of its powers over directions.

    `(E_u W(<u, theta>, <u, theta'>)^order)^(1/order)` for u uniform on the unit sphere (Bonneel et al. 2015). Exact along each
    direction and for any masses; at most `wasserstein`. Under the same key it is a distance.

    **Arguments:** as `wasserstein`; `key`, a JAX random key; `projections`, the number of directions.

    **Raises:** `ValueError` for populations that do not fit or numbers out of range.
    """
    (x, a), (y, b) = _checked(first, second, order)
    if isinstance(projections, bool) or not isinstance(projections, int | np.integer) or projections < 1:
        raise ValueError(f"projections must be a whole number of at least 1; received {projections!r}")
    directions = np.asarray(jax.random.normal(key, (int(projections), x.shape[1])), np.float64)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    powers = [_by_quantiles(x @ u, a, y @ u, b, order) for u in directions]
    return _root(float(np.mean(powers)), order)


Population = tuple[np.ndarray, np.ndarray]


def _checked(first: Neurons, second: Neurons, order: int | float) -> tuple[Population, Population]:
    """Positions and masses in double precision, masses of sum one."""
    if not (np.isfinite(order) and order >= 1):
        raise ValueError(f"order must be finite and at least 1; received {order}")
    (x, a), (y, b) = ((np.asarray(n.positions, np.float64), np.asarray(n.masses, np.float64)) for n in (first, second))
    if x.shape[1] != y.shape[1]:
        raise ValueError(
            f"neurons must have as many parameters in both populations; received {x.shape[1]} and {y.shape[1]}"
        )
    check_positive("the total mass of first", a.sum())
    check_positive("the total mass of second", b.sum())
    if abs(a.sum() - b.sum()) > 1e-4 * a.sum():
        raise ValueError(
            f"both populations must have the same mass; received {a.sum():.6g} and {b.sum():.6g}: divide masses by their sum"
        )
    return (x, a / a.sum()), (y, b / b.sum())


def _root(power: Any, order: int | float) -> float:
    return float(max(power, 0.0)) ** (1 / order)


def _equal(masses: np.ndarray) -> bool:
    return bool(np.ptp(masses) <= 1e-5 * masses.max())


def _costs(x: np.ndarray, y: np.ndarray, order: int | float) -> Float[np.ndarray, "m n"]:
    if order == 2:
        return distance.cdist(x, y, "sqeuclidean")
    return distance.cdist(x, y) ** order


def _by_quantiles(x: np.ndarray, a: np.ndarray, y: np.ndarray, b: np.ndarray, order: int | float) -> float:
    """`integral over (0, 1) of |difference of the quantile functions|^order`, which are steps."""
    (x, levels), (y, others) = _quantiles(x, a), _quantiles(y, b)
    ends = np.sort(np.concatenate([levels, others]))
    lengths = np.diff(ends, prepend=0.0)
    middles = ends - lengths / 2
    gaps = x[_step(levels, middles)] - y[_step(others, middles)]
    return float(lengths @ np.abs(gaps) ** order)


def _quantiles(x: np.ndarray, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values in order, and the levels up to which each is the quantile."""
    places = np.argsort(x, kind="stable")
    return x[places], np.minimum(np.cumsum(masses[places]), 1.0)


def _step(levels: np.ndarray, at: np.ndarray) -> np.ndarray:
    return np.minimum(np.searchsorted(levels, at), len(levels) - 1)


def _by_program(costs: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    """The least cost over couplings; its last constraint follows from the others."""
    m, n = costs.shape
    rows = sparse.kron(sparse.eye(m), np.ones((1, n)), format="csr")
    columns = sparse.kron(np.ones((1, m)), sparse.eye(n), format="csr")[:-1]
    scale = max(float(costs.max()), np.finfo(float).tiny)
    found = optimize.linprog(
        costs.ravel() / scale, A_eq=sparse.vstack([rows, columns]), b_eq=np.concatenate([a, b[:-1]]), method="highs"
    )
    if not found.success:
        raise RuntimeError(f"the transport problem was not solved: {found.message}")
    return found.fun * scale


def _entropic(x: np.ndarray, a: np.ndarray, y: np.ndarray, b: np.ndarray, order: int | float) -> float:
    """The Sinkhorn divergence: zero for equal measures, and close to the cost of transport for a small penalty."""
    try:
        from ott.geometry import geometry
        from ott.solvers import linear
    except ImportError:
        raise ImportError(
            f"the distance of {len(x)} and {len(y)} neurons with these masses needs OTT-JAX; install it with: "
            'pip install "nnlimits[ot]", or use sliced_wasserstein',
            name="ott",
        ) from None
    with precision_of(x):
        blur = _BLUR * float(_costs(x[:1000], y[:1000], order).mean())

        def cost(x: np.ndarray, a: np.ndarray, y: np.ndarray, b: np.ndarray) -> float:
            pairs = geometry.Geometry(cost_matrix=jnp.asarray(_costs(x, y, order)), epsilon=blur)
            found = linear.solve(pairs, a=jnp.asarray(a), b=jnp.asarray(b), max_iterations=20_000)
            return float(found.reg_ot_cost)

        return cost(x, a, y, b) - (cost(x, a, x, a) + cost(y, b, y, b)) / 2
