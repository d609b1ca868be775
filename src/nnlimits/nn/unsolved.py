"""Errors of layers that did not find the fixed point which is their output."""

import dataclasses
from typing import TYPE_CHECKING

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.nn.errors import SolveError
from nnlimits.validation import is_traced

if TYPE_CHECKING:
    from nnlimits.fixed_points.solve import FixedPoints

_EXAMPLES, _TENTHS, _COUNTS = 20_000, 400, 100
_LEAST = -30
"""The code of an error under `jit`, an integer below 2^31: the kind, the example, the residual and a count or ratio."""


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """The message of an unsolved equation, from what is known before it is solved and from the numbers of one example."""

    layer: str
    tolerance: float
    max_steps: int
    remedies: str

    def unconverged(self, example: str, residual: str, evaluations: str, ratio: str) -> str:
        """The message where the budget of evaluations did not suffice."""
        first = self.max_steps == 1  # before which nothing is known of |f(z) - z|
        change = "" if first else f" (the last evaluation changed |f(z) - z| by a factor {ratio})"
        return (
            f"{self.layer} did not find its fixed point: the relative residual |f(z) - z| / |f(z)| of example {example} is "
            f"{residual} after {evaluations} evaluations, above the tolerance {self.tolerance:.2g}{change}. "
            f"What would work: {self.remedies}."
        )

    def nonfinite(self, example: str, evaluation: str) -> str:
        """The message where the cell is NaN or infinite."""
        return (
            f"{self.layer} has no finite state: that of example {example} is NaN or infinite at evaluation {evaluation}. "
            "Look for such values in the parameters and in the inputs of the layer; if there are none, the iteration "
            "diverged: bound the cell by constraint=nn.NormBound()."
        )

    def __getitem__(self, code: int) -> str:
        """The message of a `coded` failure."""
        code, count = divmod(code, _COUNTS)
        code, tenths = divmod(code, _TENTHS)
        lost, example = divmod(code, _EXAMPLES)
        which = f"{example}" if example < _EXAMPLES - 1 else f"{example} or a later one"
        if lost:
            return self.nonfinite(which, f"{count}" if count < _COUNTS - 1 else f"{count} or later")
        ratio = "above 2" if count == _COUNTS - 1 else f"of about {count / 50:.2g}"
        return self.unconverged(which, f"about {10 ** (_LEAST + tenths / 10):.1g}", f"{self.max_steps}", ratio)


def checked(found: "FixedPoints", diagnosis: Diagnosis) -> Float[Array, "n ..."]:
    """The fixed points, if all of them were found.

    **Raises:** `SolveError` with the numbers of the worst example; where values are traced, an `equinox.EquinoxRuntimeError` with
    the same message, whose numbers are rounded to what fits an integer.
    """
    if not found.converged.size:
        return found.value
    if is_traced(found):
        failed = ~jnp.all(found.converged)
        return eqx.branched_error_if(found.value, failed, _coded(found), diagnosis)  # pyright: ignore[reportArgumentType]
    converged = np.asarray(found.converged)
    if converged.all():
        return found.value
    lost = np.asarray(found.nonfinite)
    if lost.any():
        worst = int(np.argmax(lost))
        raise SolveError(diagnosis.nonfinite(f"{worst}", f"{int(found.steps[worst])}"))
    worst = int(np.argmax(np.where(converged, -1.0, np.asarray(found.residual))))
    raise SolveError(
        diagnosis.unconverged(
            f"{worst} ({int((~converged).sum())} of {converged.size} are not solved)",
            f"{float(found.residual[worst]):.2g}",
            f"{int(found.evaluations)}",
            f"of {float(found.ratio[worst]):.3g}",
        )
    )


def _coded(found: "FixedPoints") -> Array:
    """The kind and the numbers of the worst example in one integer, all that reaches the host with an error."""
    lost = jnp.any(found.nonfinite)
    badness = jnp.where(found.converged, -1.0, jnp.nan_to_num(found.residual, posinf=1e30))
    example = jnp.where(lost, jnp.argmax(found.nonfinite), jnp.argmax(badness))
    residual = jnp.maximum(jnp.nan_to_num(found.residual[example], posinf=1.0), 1e-30)
    tenths = jnp.clip(jnp.round(10 * (jnp.log10(residual) - _LEAST)), 0, _TENTHS - 1).astype(jnp.int32)
    ratio = jnp.nan_to_num(found.ratio[example], nan=2.0, posinf=2.0)
    fiftieths = jnp.clip(jnp.round(50 * ratio), 0, _COUNTS - 1).astype(jnp.int32)
    count = jnp.where(lost, jnp.minimum(found.steps[example], _COUNTS - 1), fiftieths)
    kind = lost.astype(jnp.int32) * _EXAMPLES + jnp.minimum(example, _EXAMPLES - 1).astype(jnp.int32)
    return (kind * _TENTHS + tenths) * _COUNTS + count
