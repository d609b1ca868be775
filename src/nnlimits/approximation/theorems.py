"""The theorems by name: what each takes, and one way to apply any of them."""

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from nnlimits import nn
from nnlimits.approximation.approximation import Approximation
from nnlimits.approximation.domain import Box, as_box
from nnlimits.approximation.target import Target
from nnlimits.approximation.targets import NamedTarget
from nnlimits.progress import Advance, ignore


@dataclasses.dataclass(frozen=True)
class Theorem:
    """A theorem that makes networks."""

    name: str
    """As in `THEOREMS`."""
    statement: str
    """In a line, with its reference."""
    takes: tuple[str, ...]
    """The names of what it can be given: its budgets, of which exactly one is needed, and its options."""
    discontinuous: bool
    """Whether functions with jumps have a certificate."""
    build: Callable[..., Approximation]
    """From a target, a box, and what it takes."""

    @property
    def budgets(self) -> tuple[str, ...]:
        """Those of what it takes of which exactly one is needed."""
        return tuple(name for name in self.takes if name in BUDGETS)


BUDGETS = "tolerance", "units", "bits"
"""What may limit a network: the error, the hidden units, or the binary digits of each coordinate."""


def approximate(
    theorem: str,
    f: Any,
    domain: Any = None,
    *,
    tolerance: float | None = None,
    units: int | None = None,
    bits: int | None = None,
    activation: nn.Activation | None = None,
    lipschitz: float | None = None,
    constant: float | None = None,
    advance: Advance = ignore,
) -> Approximation:
    """Apply a theorem by its name, with all that is known of the function.

    **Arguments:** `theorem`, one of `THEOREMS`; `f`, a function of points (n, d) or a `NamedTarget`, whose constants are then
    used; `domain`, a box, for a `NamedTarget` its own cube if absent; exactly one of the theorem's budgets among `tolerance`,
    `units` and `bits`; `activation`, where the theorem leaves it open; `lipschitz`, a constant that is claimed of f;
    `constant`, its Barron constant.

    **Raises:** `ValueError` for an unknown name, more or less than one budget, and what the theorem does not take; what the
    theorem itself raises.
    """
    if theorem not in THEOREMS:
        raise ValueError(f"theorem must be one of {', '.join(THEOREMS)}; received {theorem!r}")
    chosen = THEOREMS[theorem]
    given = {"tolerance": tolerance, "units": units, "bits": bits, "activation": activation}
    given |= {"lipschitz": lipschitz, "constant": constant}
    given = {name: value for name, value in given.items() if value is not None}
    unwanted = [name for name in given if name not in chosen.takes]
    if unwanted:
        raise ValueError(f"the theorem {theorem} takes {' and '.join(chosen.takes)}, and no {' or '.join(unwanted)}")
    if sum(name in given for name in chosen.budgets) != 1:
        raise ValueError(f"the theorem {theorem} needs exactly one of {' and '.join(chosen.budgets)}")
    if domain is None and not isinstance(f, NamedTarget | Target):
        raise ValueError("domain is needed: a box on which f is approximated")
    return chosen.build(f, None if domain is None else as_box(domain), advance=advance, **given)


def as_plain_target(f: Any, domain: Box | None, lipschitz: float | None = None) -> Target:
    """The function on its box with its Lipschitz constant, if one is claimed or known."""
    if isinstance(f, NamedTarget):
        return Target(f.function, domain or f.domain, f.lipschitz if lipschitz is None else lipschitz)
    if isinstance(f, Target):
        return f
    assert domain is not None
    return Target(f, domain, lipschitz)


def _shallow(f: Any, domain: Box | None, *, lipschitz: float | None = None, **options: Any) -> Approximation:
    from nnlimits.approximation.shallow.shallow import shallow

    target = as_plain_target(f, domain, lipschitz)
    curved = f.derivative_bound(2) if isinstance(f, NamedTarget) and target.domain.dimension == 1 else None
    return shallow(target, curvature=curved, **options)


def _barron(f: Any, domain: Box | None, *, activation: Any = None, **options: Any) -> Approximation:
    from nnlimits.approximation.barron import barron

    return barron(f, domain, activation=activation or nn.Sigmoid(), algorithm="relaxed", **options)


def _orthogonal(f: Any, domain: Box | None, *, activation: Any = None, **options: Any) -> Approximation:
    from nnlimits.approximation.barron import barron

    return barron(f, domain, activation=activation or nn.Relu(), algorithm="orthogonal", **options)


def _yarotsky(f: Any, domain: Box | None, *, lipschitz: float | None = None, **options: Any) -> Approximation:
    from nnlimits.approximation.yarotsky import yarotsky

    if isinstance(f, NamedTarget) and f.spectrum is not None and lipschitz is None:
        return yarotsky(f.function, domain or f.domain, **options)  # it is smoother than its Lipschitz constant says
    return yarotsky(as_plain_target(f, domain, lipschitz), **options)


def _deep_narrow(f: Any, domain: Box | None, *, lipschitz: float | None = None, **options: Any) -> Approximation:
    from nnlimits.approximation.deep_narrow import deep_narrow

    return deep_narrow(as_plain_target(f, domain, lipschitz), **options)


def _minimum_width(
    f: Any, domain: Box | None, *, lipschitz: float | None = None, advance: Advance = ignore, **options: Any
) -> Approximation:
    from nnlimits.approximation.minimum_width import minimum_width

    target = as_plain_target(f, domain, lipschitz)
    if isinstance(f, NamedTarget) and f.jumps is not None and target.domain == f.domain:
        options |= {"jumps": f.jumps, "lipschitz": 0.0, "values": (0.0, 1.0)}
    return minimum_width(target, **options)


_LISTED = (
    Theorem(
        "shallow",
        "one hidden layer of any activation but polynomials is uniformly close (Leshno et al. 1993; Pinkus 1999)",
        ("tolerance", "units", "activation", "lipschitz"),
        False,
        _shallow,
    ),
    Theorem(
        "barron",
        "one hidden layer, L^2 error C_f / sqrt(N) in any dimension, by the relaxed greedy algorithm (Barron 1993)",
        ("tolerance", "units", "activation", "lipschitz", "constant"),
        True,
        _barron,
    ),
    Theorem(
        "orthogonal-greedy",
        "the same with all coefficients fitted anew: N^(-1/2 - (2k + 1)/(2d)) for ReLU^k (Siegel & Xu 2022)",
        ("tolerance", "units", "activation", "lipschitz", "constant"),
        True,
        _orthogonal,
    ),
    Theorem(
        "yarotsky",
        "deep ReLU networks, epsilon^(-d/n) weights for n bounded derivatives, in up to 6 dimensions (Yarotsky 2017)",
        ("tolerance", "units", "lipschitz"),
        False,
        _yarotsky,
    ),
    Theorem(
        "deep-narrow",
        "any depth at width d_in + d_out + 2, or + 1 for ReLU, is uniformly close (Kidger & Lyons 2020)",
        ("tolerance", "units", "activation", "lipschitz"),
        False,
        _deep_narrow,
    ),
    Theorem(
        "minimum-width",
        "ReLU of width max(d_in + 1, d_out) is close in L^2, with jumps as well (Park et al. 2021)",
        ("tolerance", "bits", "lipschitz"),
        True,
        _minimum_width,
    ),
)

THEOREMS: Mapping[str, Theorem] = MappingProxyType({theorem.name: theorem for theorem in _LISTED})
"""The theorems by name."""
