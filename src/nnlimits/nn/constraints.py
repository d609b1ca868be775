"""What makes the equation of a cell have exactly one solution: constraints on its recurrent map."""

from typing import Any

from nnlimits.nn.fields import static_real_field
from nnlimits.nn.word import Word


class Constraint(Word):
    """A parameterization of the recurrent linear map of a `Cell`, under which `z = cell(z, x)` has one solution for each x."""


class NormBound(Constraint):
    """The recurrent map, divided by as much as makes the cell a contraction by `bound` (Banach's fixed point theorem).

    The linear map R becomes `min(1, bound / (L s)) R`, where L is the Lipschitz constant of the activation and s an upper bound
    of the spectral norm of R (`nnlimits.nn.operator_norm`). Plain iteration then converges, the error shrinking at least by
    `bound` a step.

    **Arguments:** `bound`, strictly between 0 and 1.
    """

    bound: float = static_real_field("bound", 0.9)

    def __check_init__(self) -> None:
        if not 0 < self.bound < 1:
            raise ValueError(f"bound must be strictly between 0 and 1; received {self.bound:g}")


class Monotone(Constraint):
    """The recurrent map as `(1 - margin) I - A^T A + B - B^T` (Winston & Kolter 2020, proposition 1).

    Both A and B are drawn as the recurrent layer says, which must be linear, without a bias. `I - W` is then strongly monotone,
    `<z, (I - W) z> >= margin |z|^2`, and the cell has one fixed point whatever the size of A and B, if its activation has slopes
    in [0, 1] (is a proximal operator; the same reference, theorem 1). The cell need not be a contraction: plain iteration may
    diverge where Anderson and Broyden converge.

    **Arguments:** `margin`, a positive number.
    """

    margin: float = static_real_field("margin", 0.1)

    def __check_init__(self) -> None:
        if not self.margin > 0:
            raise ValueError(f"margin must be positive; received {self.margin:g}")


def as_constraint(value: Any) -> Constraint | None:
    """Return `value` if it is a constraint or `None`, raise `TypeError` otherwise."""
    if value is not None and not isinstance(value, Constraint):
        raise TypeError(f"constraint must be nn.NormBound(), nn.Monotone() or None; received {value!r}")
    return value
