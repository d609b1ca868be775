"""Finite residual networks against their limit in depth and in width: errors before and after training."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from nnlimits.infinite_depth.mean_field_residual.descent import descended
from nnlimits.infinite_depth.mean_field_residual.law import ResidualLaw
from nnlimits.infinite_depth.mean_field_residual.paths import Paths, TorusPaths
from nnlimits.infinite_depth.mean_field_residual.risk import ResidualRisk
from nnlimits.nn.fields import as_integer
from nnlimits.progress import Advance, ignore
from nnlimits.rates import FittedRate, fitted_mean_rate, fitted_paired_rate, fitted_rate
from nnlimits.validation import check_non_negative

_SIDE = 64
"""Labels along each of two angles that stand for infinitely many neurons."""

Draw = Callable[..., Any]
"""From paths, a key, numbers of layers and of neurons, and a dtype to neurons: `Paths.followed` or `Paths.independent`."""


class ResidualErrors(NamedTuple):
    """Differences of outputs and risks from those of the limit, by scale and seed."""

    scales: Float[np.ndarray, " scales"]
    """Numbers of layers, or of neurons."""
    outputs: Float[np.ndarray, "scales seeds k"]
    """At all examples."""
    risks: Float[np.ndarray, "scales seeds"]

    @property
    def by_problem(self) -> tuple[FittedRate, FittedRate]:
        """Root mean squares of outputs, and of risks, where seeds are problems that are the same at all scales."""
        outputs = np.sqrt(np.square(self.outputs).mean(-1))
        return fitted_paired_rate(self.scales, outputs), fitted_paired_rate(self.scales, np.abs(self.risks))

    @property
    def root_mean_square(self) -> FittedRate:
        """Of outputs over examples and seeds: the deviation and the bias together."""
        return fitted_rate(self.scales, np.sqrt(np.square(self.outputs).mean(-1)))

    @property
    def mean_square(self) -> FittedRate:
        """The square of that, so that its rate is twice as large."""
        found = self.root_mean_square
        return FittedRate(
            2 * found.slope, 2 * found.low, 2 * found.high, 2 * found.intercept, found.errors**2, found.band**2
        )

    @property
    def bias(self) -> FittedRate:
        """Of the mean of outputs over seeds, along one direction; NaN where noise hides it.

        The direction is that of the mean at the first scale over the first half of the seeds; what is projected on it, at all
        scales, are the other seeds alone, whose noise knows nothing of it. Where the first half is noise, so is the direction.

        **Raises:** `ValueError` for fewer than four seeds.
        """
        half = self.outputs.shape[1] // 2
        if half < 2:
            raise ValueError(
                f"a bias needs four or more seeds, half of them for its direction; received {self.outputs.shape[1]}"
            )
        direction = self.outputs[0, :half].mean(0)
        direction = direction / max(np.linalg.norm(direction), np.finfo(float).tiny)
        return fitted_mean_rate(self.scales, self.outputs[:, half:] @ direction / np.sqrt(len(direction)))

    @property
    def expected_risk(self) -> FittedRate:
        """Of the mean of risks over seeds; NaN where noise hides it."""
        return fitted_mean_rate(self.scales, self.risks)


class Training(NamedTuple):
    """Explicit descent, the same for all networks that are compared: none where `steps` is zero."""

    step: float = 0.2
    steps: int = 0


def depth_errors(
    risk: ResidualRisk,
    law: ResidualLaw,
    families: Sequence[TorusPaths],
    layers: Sequence[int],
    training: Training = Training(),
    *,
    advance: Advance = ignore,
) -> ResidualErrors:
    """Networks of L layers and infinitely many neurons against infinite depth.

    The neurons' angles are on a grid that integrates smooth functions to rounding; infinite depth is extrapolated from twice and
    four times the largest L (Richardson), with an error of order `L^-2`. So what is left is that of depth alone.

    **Arguments:** `risk`, in double precision; `law`, whose unit and ends networks have; `families`, of paths, one a seed;
    `layers`, the numbers L; `training`, of all networks; `advance`, told of each L.

    **Returns:** `ResidualErrors`, whose outputs and risks fall as `1/L`, before and after training.

    **Raises:** `ValueError` for numbers out of range.
    """
    scales = _checked(risk, "layers", layers, training)
    with risk.precision(law):

        def run(count: int) -> tuple[np.ndarray, np.ndarray]:
            particles = [_limit(paths, count) for paths in families]
            found = _ends(risk, law, jnp.stack(particles), training)
            advance(f"{count} layers")
            return found

        finest = int(scales.max())
        coarse, fine = run(2 * finest), run(4 * finest)
        outputs, risks = (2 * b - a for a, b in zip(coarse, fine, strict=True))
        found = [run(int(count)) for count in scales]
    return ResidualErrors(
        scales.astype(float), np.stack([one - outputs for one, _ in found]), np.stack([one - risks for _, one in found])
    )


def width_errors(
    risk: ResidualRisk,
    law: ResidualLaw,
    paths: TorusPaths,
    sizes: Sequence[tuple[int, int]],
    key: PRNGKeyArray,
    training: Training = Training(),
    *,
    draw: Draw = Paths.followed,
    seeds: int = 256,
    advance: Advance = ignore,
) -> ResidualErrors:
    """Networks of finitely many neurons, drawn from a law, against infinitely many in as many layers.

    Neurons that are followed through depth err together: the root mean square error is of order `M^(-1/2)` whatever L. Those
    that are drawn anew in each layer average over layers too: `(L M)^(-1/2)`, with the error of depth `1/L + (L M)^(-1/2)` in all
    (Chizat 2025). The mean of the outputs, the mean square error and the expected risk, being smooth in the law, err by
    `1/M` and `1/(L M)`: with depth, the `1/L + 1/M` of the mean-field limit.

    **Arguments:** `risk`, `law`, `training` and `advance` as of `depth_errors`; `paths`; `sizes`, pairs `(L, M)` of which one
    ascends; `key`, a JAX random key; `draw`, `Paths.followed` or `Paths.independent`;
    `seeds`, networks of each size.

    **Raises:** `ValueError` for numbers out of range.
    """
    counts = np.asarray(sizes)
    moving = [i for i in (0, 1) if len(set(counts[:, i])) > 1]
    if counts.ndim != 2 or len(moving) != 1:
        raise ValueError(f"sizes must be pairs (L, M), and either L or M must be the same in all; received {sizes!r}")
    scales = _checked(risk, ("numbers of layers", "widths")[moving[0]], counts[:, moving[0]], training)
    as_integer("seeds", 2, seeds)
    outputs, risks = [], []

    @functools.cache
    def limit(layers: int) -> tuple[np.ndarray, np.ndarray]:
        return _ends(risk, law, _limit(paths, layers)[None], training)

    with risk.precision(law):
        for index, (layers, width) in enumerate(counts.tolist()):
            keys = jax.random.split(jax.random.fold_in(key, index), seeds)
            found = _ends(risk, law, _draws(draw, paths, keys, layers, width), training)
            outputs.append(found[0] - limit(layers)[0])
            risks.append(found[1] - limit(layers)[1])
            advance(f"{layers} layers of {width} neurons")
    return ResidualErrors(scales.astype(float), np.stack(outputs), np.stack(risks))


def _ends(
    risk: ResidualRisk, law: ResidualLaw, particles: Array, training: Training
) -> tuple[Float[np.ndarray, "seeds k"], Float[np.ndarray, " seeds"]]:
    """Outputs and risks after training, of each of several networks."""
    step = jnp.asarray(training.step, particles.dtype)
    found = _trained(risk, law, particles, step, jnp.asarray(training.steps))
    outputs, risks = (np.asarray(part) for part in found)
    if not np.isfinite(risks).all():
        raise RuntimeError(
            f"training by steps of {training.step:g} diverges for networks of {particles.shape[1]} layers and "
            f"{particles.shape[2]} neurons; give a smaller step"
        )
    return outputs.reshape(len(outputs), -1), risks


@eqx.filter_jit
def _limit(paths: TorusPaths, layers: int) -> Float[Array, "L m p"]:
    """Neurons that stand for infinitely many."""
    return paths.at_labels(jnp.asarray(paths.grid(_SIDE)), layers)


@eqx.filter_jit
def _draws(draw: Draw, paths: TorusPaths, keys: Any, layers: int, width: int) -> Float[Array, "seeds L m p"]:
    return jax.vmap(lambda key: draw(paths, key, layers, width, np.float64))(keys)


@eqx.filter_jit
def _trained(risk: ResidualRisk, law: ResidualLaw, particles: Array, step: Array, steps: Array) -> tuple[Array, Array]:
    def one(start: Array) -> tuple[Array, Array]:
        found = descended(risk, law.moved(start), step, steps)
        outputs = found.outputs(jnp.asarray(risk.x))
        return outputs, risk.loss(outputs, jnp.asarray(risk.y))

    return jax.vmap(one)(particles)


def _checked(risk: ResidualRisk, name: str, counts: Any, training: Training) -> np.ndarray:
    scales = np.asarray(counts)
    if (
        scales.ndim != 1
        or len(scales) < 2
        or scales.dtype.kind not in "iu"
        or (np.diff(scales) <= 0).any()
        or scales[0] < 1
    ):
        raise ValueError(f"{name} must be two or more whole numbers that ascend, to fit a rate; received {counts!r}")
    if risk.x.dtype != np.float64:
        raise ValueError(f"errors of this size need data in double precision; received {risk.x.dtype}")
    check_non_negative("the step of training", training.step)
    as_integer("the steps of training", 0, training.steps)
    return scales
