"""abc-parameterizations: how weights, their initial draws and their learning rates scale with width."""

from typing import Any, NamedTuple

import equinox as eqx

from nnlimits.nn.fields import as_static_real
from nnlimits.nn.word import Word

PARAMETERIZATIONS = ("ntk", "standard", "mup", "mean_field")
OPTIMIZERS = ("sgd", "adam")


class Exponents(NamedTuple):
    """Those of one role: a weight is `n^-a W`, the entries of W start with deviation `n^-b`, the learning rate is `n^-c`."""

    a: float
    b: float
    c: float = 0.0


class ABC(Word):
    """An abc-parameterization (Yang & Hu 2021, section 3), with exponents for each role that a weight can have.

    The effective weight is `n^-a W`; the entries of the parameter W are drawn with standard deviation `n^-b`, and trained at
    `n^-c` times the learning rate. What n is, and which weights have which role:

    | role | which | n |
    |---|---|---|
    | input | weights from the data to a width; biases, gains and embeddings (fan-in 1) whose channels are a width | fan-out |
    | hidden | weights from a width to a width | fan-in |
    | output | weights from a width to the network's outputs | fan-in |

    Fan-in counts the products that one output sums (for a convolution kernel size times channels), fan-out the output's channels.
    The exponents act on these numbers directly, with no base width: `nn.ABC((0, 0), (0.5, 0), (0.5, 0))` is exactly `"ntk"`.

    A fan-in that is fixed, such as the number of features of the data, has the exponents `fixed`, whatever the fan-out; they
    change the constants, not the limit. `w_std` and `b_std` multiply where `fixed` has a positive a, as in the NTK
    parameterization, and are drawn into the parameters otherwise, as in the standard one.

    To put `(a + t, b - t, c - 2t)` in the place of `(a, b, c)`, in any role, changes nothing under gradient descent (the same
    reference, section 3); under Adam, whose steps do not depend on the gradient's size, `(a + t, b - t, c - t)` does the same.

    **Arguments:** `input`, `hidden`, `output`, `fixed`: each `(a, b, c)`, or `(a, b)` for `c = 0`.

    Those with names (`nn.ABC.named`), for gradient descent: `"ntk"` (Jacot, Gabriel & Hongler 2018), `"standard"` (He et al.
    2015; Sohl-Dickstein et al. 2020), `"mup"` (maximal update, Yang & Hu 2021, section 5), `"mean_field"` (Mei, Montanari &
    Nguyen 2018, one hidden layer; Pham & Nguyen 2021, equation 2, several).
    """

    input: Exponents = eqx.field(static=True)
    hidden: Exponents = eqx.field(static=True)
    output: Exponents = eqx.field(static=True)
    fixed: Exponents = eqx.field(static=True, default=Exponents(0.5, 0.0, 0.0))

    def __init__(self, input: Any, hidden: Any, output: Any, fixed: Any = (0.5, 0.0, 0.0)) -> None:
        self.input = _as_exponents("input", input)
        self.hidden = _as_exponents("hidden", hidden)
        self.output = _as_exponents("output", output)
        self.fixed = _as_exponents("fixed", fixed)

    @staticmethod
    def named(name: str, optimizer: str = "sgd") -> "ABC":
        """The parameterization called `name`, with the learning-rate exponents of `optimizer`, `"sgd"` or `"adam"`.

        | name | input a, b | hidden a, b | output a, b | fixed a, b | c of SGD | c of Adam |
        |---|---|---|---|---|---|---|
        | ntk | 0, 0 | 1/2, 0 | 1/2, 0 | 1/2, 0 | 0, 0, 0, 0 | 1/2, 1, 1/2, 1/2 |
        | standard | 0, 0 | 0, 1/2 | 0, 1/2 | 0, 1/2 | 0, 0, 0, 0 | 0, 0, 0, 0 |
        | mup | -1/2, 1/2 | 0, 1/2 | 1/2, 1/2 | 1/2, 0 | 0, 0, 0, 0 | 1/2, 1, 1/2, 1/2 |
        | mean_field | 0, 0 | 1, 0 | 1, 0 | 1/2, 0 | -1, -2, -1, 0 | 0, 0, 0, 1/2 |

        `"standard"` is what is usual in practice, one learning rate at all widths: with it training diverges as the width grows
        (`nnlimits.training.classify`), unless the rate falls as 1/width. `"mup"` with SGD is table 1 of Yang & Hu 2021;
        with Adam it is table 9 of Yang et al. 2022. The exponents of Adam for `"ntk"` are those of the kernel regime (Yang &
        Littwin 2023), in which every layer adds to the change of the output at order one. Under Adam, but for
        `"standard"`, a step at the rate 1 moves a layer by an amount of order one at most, whatever its fan-in.

        Between hidden layers of `"mean_field"` the gradient in a weight is of order `n^-2`, so that it is the rate `n^2` that
        moves it at order one (Pham & Nguyen 2021, equation 2); with one hidden layer there are no such weights. It is `"mup"`
        but for the draws of these weights, smaller by `n^(1/2)`: with two hidden layers features are learned, while deeper
        networks without biases start so near a saddle that they do not move in bounded time. An embedding
        (`nnlimits.mean_field.Embedding`) gives weights from which they do.
        """
        if optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer must be one of {', '.join(map(repr, OPTIMIZERS))}; received {optimizer!r}")
        if not isinstance(name, str) or name not in PARAMETERIZATIONS:
            raise ValueError(f"{_expected()}; received {name!r}")
        scales, rates = _NAMED[name]
        return ABC(*((a, b, c) for (a, b), c in zip(scales, rates[optimizer], strict=True)))

    @property
    def follows_fan_in(self) -> bool:
        """Whether all weights are scaled by their fan-in alone and learn at one rate, whatever their role."""
        return self.input == (0, 0, 0) and self.hidden == self.output == self.fixed and self.fixed.c == 0

    @property
    def multiplies(self) -> bool:
        """Whether `w_std` and `b_std` multiply, and are not drawn into the parameters."""
        return self.fixed.a > 0


_NTK, _STANDARD = (0.5, 0), (0, 0.5)

_NAMED: dict[str, tuple[Any, dict[str, Any]]] = {
    "ntk": (((0, 0), _NTK, _NTK, _NTK), {"sgd": (0, 0, 0, 0), "adam": (0.5, 1, 0.5, 0.5)}),
    "standard": (((0, 0), _STANDARD, _STANDARD, _STANDARD), {"sgd": (0, 0, 0, 0), "adam": (0, 0, 0, 0)}),
    "mup": (((-0.5, 0.5), _STANDARD, (0.5, 0.5), _NTK), {"sgd": (0, 0, 0, 0), "adam": (0.5, 1, 0.5, 0.5)}),
    "mean_field": (((0, 0), (1, 0), (1, 0), _NTK), {"sgd": (-1, -2, -1, 0), "adam": (0, 0, 0, 0.5)}),
}


def as_parameterization(value: Any) -> str | ABC:
    """Return `value` if it names a parameterization or is one, raise `ValueError` otherwise."""
    if not isinstance(value, ABC) and not (isinstance(value, str) and value in PARAMETERIZATIONS):
        raise ValueError(f"{_expected()}, or an nn.ABC(...); received {value!r}")
    return value


def as_abc(value: Any, optimizer: str = "sgd") -> ABC:
    """The exponents of a parameterization given by name or as they are; `optimizer` says which learning rates a name means."""
    value = as_parameterization(value)
    return value if isinstance(value, ABC) else ABC.named(value, optimizer)


def _expected() -> str:
    return f"parameterization must be one of {', '.join(map(repr, PARAMETERIZATIONS))}"


def _as_exponents(role: str, value: Any) -> Exponents:
    if not isinstance(value, tuple | list) or len(value) not in (2, 3):
        raise TypeError(f"{role} must be the exponents (a, b) or (a, b, c); received {value!r}")
    return Exponents(*(as_static_real(f"{role}'s {name}", number) for name, number in zip("abc", value, strict=False)))
