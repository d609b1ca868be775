"""Training on minibatches by an optimizer of Optax: for large data, and no longer the gradient flow of the law."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from nnlimits.infinite_depth.mean_field_residual.course import ResidualCourse
from nnlimits.infinite_depth.mean_field_residual.law import ResidualLaw
from nnlimits.infinite_depth.mean_field_residual.risk import ResidualRisk, check_risk
from nnlimits.nn.fields import as_integer
from nnlimits.progress import Advance, ignore
from nnlimits.training.recording import segments_of

if TYPE_CHECKING:
    import optax


def residual_sgd(
    risk: ResidualRisk,
    law: ResidualLaw,
    optimizer: "optax.GradientTransformation",
    steps: Sequence[Any] | np.ndarray,
    key: PRNGKeyArray,
    *,
    batch_size: int = 64,
    advance: Advance = ignore,
) -> ResidualCourse:
    """Steps of an optimizer along the gradients of batches, drawn independently with replacement.

    The optimizer is given the gradient in the geometry of the law, `L M` times that of the finite network in its neurons. Plain
    `optax.sgd(step)` follows the gradient flow at the times `step * steps` with noise of the order of the root of the step;
    momentum and Adam are other dynamics, to which the theory of the flow does not speak.

    **Arguments:** `risk`; `law`, where it starts; `optimizer`, of Optax; `steps`, ascending numbers at which to record, the risk
    on all examples among them; `key`, a JAX random key; `batch_size`; `advance`, told of each record.

    **Returns:** a `ResidualCourse`; its times are numbers of steps, and nothing is known of its dissipation, which is NaN.

    **Raises:** `TypeError` for other objects; `ValueError` for numbers out of range; `RuntimeError` where the risk is no longer
    finite, with the step.
    """
    check_risk(risk, law)
    if not hasattr(optimizer, "init") or not hasattr(optimizer, "update"):
        raise TypeError(f"optimizer must be one of Optax, such as optax.sgd(0.1); received {optimizer!r}")
    as_integer("batch_size", 1, batch_size)
    segments = segments_of(steps)
    with risk.precision(law):
        risk, law = risk.alike(law)
        state = optimizer.init(_parameters(law))
        laws, risks, done = [], [], 0
        for count in segments:
            law, state, value = _trained(
                risk, law, state, optimizer, jnp.asarray([done, done + count]), key, batch_size
            )
            if not np.isfinite(float(value)):
                raise RuntimeError(
                    f"the risk is {float(value)} after step {done + count}, and was {risks[-1] if risks else 'not known'} after "
                    f"step {done}: give the optimizer a smaller learning rate, or start at smaller neurons"
                )
            done += int(count)
            laws.append(jax.tree.map(np.asarray, law))
            risks.append(float(value))
            advance(f"step {done}, risk {float(value):.3g}")
    counts = np.cumsum(segments)
    return ResidualCourse(counts.astype(float), counts, np.asarray(risks), np.full(len(risks), np.nan), tuple(laws))


def _parameters(law: ResidualLaw) -> tuple[Any, Any, Any]:
    return law.particles, law.encoder, law.readout


@eqx.filter_jit
def _trained(
    risk: ResidualRisk,
    law: ResidualLaw,
    state: Any,
    optimizer: Any,
    ends: Array,
    key: PRNGKeyArray,
    batch_size: int,
) -> tuple[ResidualLaw, Any, Array]:
    def step(index: Array, carry: tuple[ResidualLaw, Any]) -> tuple[ResidualLaw, Any]:
        law, state = carry
        rows = jax.random.randint(jax.random.fold_in(key, index), (batch_size,), 0, len(risk.x))
        batch = eqx.tree_at(lambda all_: (all_.x, all_.y), risk, (risk.x[rows], risk.y[rows]))
        velocity = batch.velocity(law)[1]
        gradient = jax.tree.map(jnp.negative, (velocity.particles, velocity.encoder, velocity.readout))
        updates, state = optimizer.update(gradient, state, _parameters(law))
        learns = True, *(rate > 0 for rate in law.rates)
        moved = [
            part + update.astype(part.dtype) if free else part
            for part, free, update in zip(_parameters(law), learns, updates, strict=True)
        ]
        return law.moved(*moved), state

    law, state = jax.lax.fori_loop(ends[0], ends[1], step, (law, state))
    return law, state, risk(law)
