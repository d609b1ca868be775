"""How the weights of a network are scaled: one choice for the whole network.

With fan-in n, `"ntk"` (Jacot, Gabriel & Hongler 2018) computes `y = w_std / sqrt(n) W x + b_std b` with all entries of
W and b drawn from N(0, 1); `"standard"` draws W from N(0, w_std^2 / n) and b from N(0, b_std^2) and computes
`y = W x + b`. Both give the same functions at initialization; they train differently (Sohl-Dickstein, Novak, Schoenholz
& Lee 2020).
"""

from typing import Any

PARAMETERIZATIONS = ("ntk", "standard")
DEFAULT_PARAMETERIZATION = "ntk"


def as_parameterization(value: Any) -> str:
    """Return `value` if it names a parameterization, raise `ValueError` otherwise."""
    if not isinstance(value, str) or value not in PARAMETERIZATIONS:
        known = ", ".join(map(repr, PARAMETERIZATIONS))
        raise ValueError(f"parameterization must be one of {known}; received {value!r}")
    return value
