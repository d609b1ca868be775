"""Where deep signals settle: fixed points of the variance and correlation maps, their stability, and the depths that follow."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nnlimits import nn
from nnlimits.signal.entry import block_map, precision
from nnlimits.signal.maps import BlockMap
from nnlimits.signal.settle import settle
from nnlimits.validation import check_positive, is_traced

Scalar = Any
"""An array without axes; of a grid, one entry for each point."""

CRITICAL = 1e-6
"""How close to one a growth factor counts as one."""
_FAR = 1e10
"""Factor between the starting variance and one that counts as zero or infinite."""
_STEPS = 60


class FixedPoint(NamedTuple):
    """Where the signal of a deep network settles. All growth factors are per block."""

    variance: Scalar
    """`q*`, that of a unit (of a preactivation, for `Dense` and an activation); zero or infinite where it goes there."""
    correlation: Scalar
    """`c*`, of two inputs that begin half correlated."""
    chi_parallel: Scalar
    """`dV/dq` at `q*`."""
    chi_perp: Scalar
    """Growth of the mean square of gradients at `q*`."""
    slope: Scalar
    """Derivative of the correlation map at `c*`."""
    slope_at_one: Scalar
    """The same at correlation one: `chi_perp`, where `q*` is finite and without dropout."""

    @property
    def phase(self) -> str:
        """By `chi_perp`. `"ordered"`: near inputs become one, gradients vanish. `"chaotic"`: near inputs come apart, gradients
        explode. `"critical"`: neither.
        """
        if abs(float(self.chi_perp) - 1) <= CRITICAL:
            return "critical"
        return "ordered" if self.chi_perp < 1 else "chaotic"

    @property
    def xi_q(self) -> Scalar:
        """Blocks in which a small difference of the variance from `q*` falls to 1/e (Schoenholz et al. 2017, equation 7)."""
        return _depth_scale(self.chi_parallel)

    @property
    def xi_c(self) -> Scalar:
        """Blocks in which a small difference of the correlation from `c*` falls to 1/e (the same, equation 9)."""
        return _depth_scale(self.slope)

    @property
    def xi_gradient(self) -> Scalar:
        """Blocks in which the mean square of gradients changes by a factor e; infinite where it does not."""
        return _depth_scale(self.chi_perp)

    @property
    def trainable_depth(self) -> Scalar:
        """Blocks through which inputs can still be told apart: `6 xi_c` (Schoenholz et al. 2017, section 5); `6 xi_q` where the
        variance vanishes or explodes, and with it the signal.
        """
        numpy: Any = jnp if is_traced(self.variance) else np
        leaves = (self.variance == 0) | numpy.isinf(self.variance)
        return 6 * numpy.where(leaves, self.xi_q, self.xi_c)


def _depth_scale(factor: Scalar) -> Scalar:
    numpy: Any = jnp if is_traced(factor) else np
    rate = abs(numpy.log(numpy.maximum(abs(factor), 1e-300)))
    return numpy.where(rate <= CRITICAL, numpy.inf, 1 / numpy.maximum(rate, CRITICAL))


def fixed_point(network: nn.Layer, *, variance: Any = 1.0) -> FixedPoint:
    """Where the variance and the correlation of signals settle in a deep network that repeats the block of `network`.

    **Arguments:** `network`, an expression of `nnlimits.nn` with depth (see `repeated_block`); `variance`, that from which
    signals start, which matters where there are several fixed points (a ReLU network at criticality keeps any).

    **Returns:** a `FixedPoint`, in float64, or in the precision of hyper-parameters that are traced. Differentiable in them by
    the implicit function theorem, where fixed points are isolated.

    **Raises:** `ValueError` for a network without depth, or a variance that is not positive; `NotImplementedError` for a layer
    whose effect is not a map of variance and correlation.

    Poole et al. 2016; Schoenholz, Gilmer, Ganguli & Sohl-Dickstein 2017.
    """
    check_positive("variance", variance)
    with precision(network, variance):
        maps = block_map(network)
        found = _fixed_point(maps, jnp.asarray(variance, jax.tree.leaves(maps)[0].dtype))
    return found if is_traced(found) else FixedPoint(*map(np.asarray, found))


@jax.jit
def _fixed_point(maps: BlockMap, start: Scalar) -> FixedPoint:
    return fixed_point_of(maps, start)


def fixed_point_of(maps: BlockMap, start: Scalar) -> FixedPoint:
    """As `fixed_point`, for a map; may be vmapped."""
    variance, where = _settled_variance(maps, start)
    deficit = _settled_deficit(maps, where)
    nothing = jnp.zeros_like(deficit)
    pairs = jnp.stack([deficit, nothing, nothing])
    growth = maps.growth(jnp.broadcast_to(where, (3,)), pairs, jnp.asarray([False, False, True]))
    slope, slope_at_one = growth[:2] * (where / maps.variance(where))
    return FixedPoint(variance, 1 - deficit, maps.chi_parallel(where), growth[2], slope, slope_at_one)


def _settled_variance(maps: BlockMap, start: Scalar) -> tuple[Scalar, Scalar]:
    """The variance at which a signal settles, and a finite one at which to study the block: there, or on the way there."""
    grid = start * jnp.geomspace(1 / _FAR, _FAR, 2 * _STEPS + 1, dtype=start.dtype)
    settled = settle(lambda q, m: jnp.log(m.variance(q) / q), maps, grid, _STEPS)
    ends = jnp.where(settled.leaves < 0, 0.0, jnp.inf)
    return jnp.where(settled.leaves == 0, settled.value, ends), settled.value


def _settled_deficit(maps: BlockMap, q: Scalar) -> Scalar:
    """One minus the correlation at which two inputs settle that begin half correlated."""
    few, many = 25, 14
    grid = jnp.concatenate(
        [jnp.geomspace(1e-8, 0.5, few, dtype=q.dtype), jnp.linspace(0.5, 2.0, many, dtype=q.dtype)[1:-1]]
    )
    settled = settle(lambda d, args: jnp.log(args[0].deficit(args[1], d) / d), (maps, q), grid, few - 1)
    return jnp.where(settled.leaves < 0, 0.0, settled.value)
