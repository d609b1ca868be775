"""What stopped the solver of a differential equation, told so that one can do something about it."""

from typing import Any, NoReturn

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from nnlimits.nn.errors import SolveError
from nnlimits.nn.ode_solver import Method, Path
from nnlimits.validation import is_traced

_UNSEEN = (
    "",
    "The differential equation of a NeuralODE was not solved: the step budget max_steps ran out. Stiff fields need "
    "solver='kvaerno5'; others a larger max_steps, or larger rtol and atol.",
    "The differential equation of a NeuralODE was not solved: its steps became too small to advance. The field is not finite "
    "there, or its solution grows without bound.",
    "The differential equation of a NeuralODE was not solved: the equation of an implicit step has no solution that Newton's "
    "method finds. Take more steps, or steps=None.",
    "The differential equation of a NeuralODE was not solved: the states are not finite. The field is not finite, or the steps are "
    "too large for it: take more steps, or steps=None.",
    "A NeuralODE received an input that is not finite.",
)
"""Messages where values are unknown, one an outcome, and one for the input."""


def raise_failure(
    method: Method, slope: Any, x: Float[Array, "n ..."], args: PyTree, path: Path, start: float, stop: float
) -> Float[Array, "n ..."]:
    """The end of the path, if it was found.

    **Raises:** `SolveError`; where values are unknown, inside `jit`, an `equinox.EquinoxRuntimeError` when it runs.
    """
    if is_traced(path, x):
        outcome = jnp.where(jnp.isfinite(x).all(), path.outcome, len(_UNSEEN) - 1)
        return eqx.branched_error_if(path.y, outcome != 0, outcome, _UNSEEN)
    if int(path.outcome) == 0:
        return path.y
    _check_input(x)
    _raise(method, slope, args, path, start, stop)


def _check_input(x: Float[Array, "n ..."]) -> None:
    values = np.asarray(x)
    if not np.isfinite(values).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
        raise SolveError(
            f"NeuralODE received an input that is not finite: {values[place]} in example {place[0]}, at index {place[1:]}."
        )


def _raise(method: Method, slope: Any, args: PyTree, path: Path, start: float, stop: float) -> NoReturn:
    told = {name: int(value) for name, value in path.statistics.items()}
    raise SolveError(
        f"NeuralODE was solved from s={start:g} to s={float(path.s):.6g} of {stop:g} only, in {told['steps']} steps, "
        f"{told['rejected']} of them rejected. {_UNSEEN[int(path.outcome)]}"
    )
