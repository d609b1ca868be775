"""Continuous normalizing flows: densities carried along a differential equation."""

import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree, Shaped

from nnlimits import nn
from nnlimits.nn.fields import as_integer
from nnlimits.nn.neural_ode import Arguments, Slope
from nnlimits.nn.ode_failure import found_or_raise
from nnlimits.nn.ode_solver import IMPLICIT, Method, Path, integrate


class Density(NamedTuple):
    """Log densities of points, and the standard normal points that the flow carries to them."""

    log_density: Float[Array, " n"]
    origin: Float[Array, "n ..."]


class ContinuousFlow(eqx.Module):
    """The law of `x(end)` where `dx/ds = field(x, s)` and `x(start)` is standard normal (Grathwohl et al. 2019).

    The log density along a path falls at the rate of the field's divergence (Chen et al. 2018, theorem 1), so

        log p(x) = log N(z; 0, I) - integral of div field(x(s), s) ds,    z the point from which the path to x starts.

    **Arguments:** `ode`, an `nn.NeuralODE` with `augment=0`, an explicit solver, and a field without dropout; its tolerances
    are those of paths and of log densities.

    **Raises:** `TypeError` or `ValueError` for another `ode`.
    """

    ode: nn.NeuralODE

    def __init__(self, ode: Any) -> None:
        if not isinstance(ode, nn.NeuralODE):
            raise TypeError(f"ode must be an nn.NeuralODE; received {ode!r}")
        if ode.augment:
            raise ValueError(f"ode must have augment=0, as densities keep their dimension; received {ode!r}")
        if ode.solver in IMPLICIT:
            raise ValueError(f"ode must have an explicit solver, such as 'tsit5'; received solver={ode.solver!r}")
        self.ode = ode

    def init(self, key: PRNGKeyArray, shape: tuple[int, ...], *, dtype: Any = None) -> PyTree:
        """Draw the parameters for points of `shape`, as `ode.init` does."""
        return self.ode.init(key, shape, dtype=dtype)

    def sample(self, params: PyTree, key: PRNGKeyArray, n: int, shape: tuple[int, ...]) -> Float[Array, "n ..."]:
        """Draw `n` points of `shape`.

        **Raises:** as `ode.apply`; `TypeError` or `ValueError` for another `n` or `shape`.
        """
        if not isinstance(shape, tuple | list):
            raise TypeError(f"shape must be that of one point, such as (2,); received {shape!r}")
        shape = tuple(as_integer(f"shape[{axis}]", 1, size) for axis, size in enumerate(shape))
        dtype = jnp.result_type(*jax.tree.leaves(params), float)
        return self.ode.apply(params, jax.random.normal(key, (as_integer("n", 1, n), *shape), dtype))

    def log_density(self, params: PyTree, x: Shaped[Array | np.ndarray, "n ..."]) -> Float[Array, " n"]:
        """Log densities at the points `x`, of shape (n, *shape), with the exact divergence.

        It takes as many derivatives of the field as a point has coordinates, one after another, at each evaluation.

        **Raises:** `nn.SolveError` where the equation is not solved.
        """
        return self.density(params, x).log_density

    def density(self, params: PyTree, x: Shaped[Array | np.ndarray, "n ..."]) -> Density:
        """As `log_density`, with the origins of the points."""
        return _Backward(self.ode, None).density(params, x)

    def estimated_log_density(
        self,
        params: PyTree,
        x: Shaped[Array | np.ndarray, "n ..."],
        key: PRNGKeyArray,
        *,
        samples: int = 1,
        probes: str = "rademacher",
    ) -> Float[Array, " n"]:
        """Unbiased estimates of log densities, with one derivative of the field in a random direction for each sample.

        The divergence is estimated as the mean of `e . J e` over probes e of mean 0 and covariance I (Hutchinson 1990), which are
        the same along a whole path (Grathwohl et al. 2019, section 3.1).

        **Arguments:** `params`, `x` as in `log_density`; `key`; `samples`, probes of each point; `probes`, "rademacher"
        (signs) or "gaussian".

        **Raises:** as `log_density`; `ValueError` for unknown probes or fewer than one sample.
        """
        draws = {"rademacher": jax.random.rademacher, "gaussian": jax.random.normal}
        if probes not in draws:
            raise ValueError(f"probes must be 'rademacher' or 'gaussian'; received {probes!r}")
        shape = (as_integer("samples", 1, samples), *np.shape(x))
        directions = draws[probes](key, shape, jnp.result_type(x, *jax.tree.leaves(params), float))
        return _Backward(self.ode, directions).density(params, x).log_density


class _Backward(nn.Layer):
    """The way from points to their origins, with the integral of the divergence as one more output.

    A layer, so that `apply` looks after dtypes, parameterization and shapes.
    """

    ode: nn.NeuralODE
    probes: Float[Array, "samples n ..."] | None

    def density(self, params: PyTree, x: Any) -> Density:
        outputs = self.apply(params, x)
        return Density(outputs[:, -1], outputs[:, :-1].reshape(np.shape(x)))

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (math.prod(self.ode.output_shape(input_shape)) + 1,)

    def network_parameterization(self, optimizer: str = "sgd") -> Any:
        return self.ode.network_parameterization(optimizer)

    def forward(self, params: PyTree, x: Array, key: PRNGKeyArray | None, parameterization: Any) -> Array:
        slope, args = self.ode.slope(params, key, parameterization)
        start, stop = self.ode.span
        method: Method = self.ode.method()
        state = x, jnp.zeros(x.shape[0], x.dtype)
        path = integrate(method, _WithDivergence(slope), state, (args, self.probes), stop, start)
        z, divergence = path.y
        z = found_or_raise(method, slope, x, args, Path(z, path.s, path.outcome, path.statistics), stop, start)
        flat = z.reshape(z.shape[0], math.prod(z.shape[1:]))
        normal = -0.5 * jnp.sum(flat**2, -1) - 0.5 * flat.shape[1] * math.log(2 * math.pi)
        log_density = normal + divergence  # integrated from the end to the start, so with the sign turned
        return jnp.concatenate([flat, log_density[:, None]], -1)


class _WithDivergence(eqx.Module):
    """The field, and its divergence."""

    slope: Slope

    def __call__(
        self, s: Array, state: tuple[Array, Array], args: tuple[Arguments, Array | None]
    ) -> tuple[Array, Array]:
        own, probes = args
        velocity, along = jax.linearize(lambda x: self.slope(s, x, own), state[0])
        axes = tuple(range(1, velocity.ndim))
        if probes is None:
            basis = jnp.eye(math.prod(velocity.shape[1:]), dtype=velocity.dtype).reshape(-1, *velocity.shape[1:])
            terms = jax.lax.map(lambda e: jnp.sum(e * along(jnp.broadcast_to(e, velocity.shape)), axes), basis)
            return velocity, jnp.sum(terms, 0)
        terms = jax.lax.map(lambda e: jnp.sum(e * along(e), axes), probes)
        return velocity, jnp.mean(terms, 0)
