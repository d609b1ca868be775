"""What a theorem promises of a network, with the constants it took."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

Norm = Literal["sup", "L2", "Lp"]


@dataclasses.dataclass(frozen=True)
class Certificate:
    """A bound of the distance between a function and a network.

    Norms of functions are with respect to the uniform probability measure on the domain; of several outputs the largest counts.
    """

    theorem: str
    """The paper with the number of the theorem."""
    bound: float
    """The distance is at most this, if the assumptions hold."""
    norm: Norm
    """The norm that the bound is of."""
    constants: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """What went into the bound, by name."""
    assumptions: tuple[str, ...] = ()
    """What is claimed of the function and was not proved here."""
    rigorous: bool = False
    """Whether the bound follows from the assumptions alone; otherwise constants in it were estimated from finitely many
    points."""
    p: float | None = None
    """The exponent of an `"Lp"` norm."""
    failure: float = 0.0
    """The probability, over points that were drawn for the proof, that a rigorous bound does not hold."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "constants", MappingProxyType(dict(self.constants)))

    def __str__(self) -> str:
        norm = f"L^{self.p:g}" if self.norm == "Lp" else {"sup": "sup norm", "L2": "L^2"}[self.norm]
        kind = "proved" if self.rigorous else "with estimated constants"
        kind += f" but for a probability of {self.failure:g}" * (self.rigorous and self.failure > 0)
        constants = ", ".join(f"{name} = {value:.6g}" for name, value in self.constants.items())
        lines = [f"{self.theorem}: at most {self.bound:.6g} in {norm}, {kind}"]
        lines += [f"  constants: {constants}"] * bool(constants)
        lines += [f"  assumed: {assumption}" for assumption in self.assumptions]
        return "\n".join(lines)
