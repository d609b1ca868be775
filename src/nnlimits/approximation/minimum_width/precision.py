"""How many digits the construction needs, and how many there are.

With a mantissa of p bits (24 in float32, 53 in float64), all integers up to 2^p are exact, and sums of them are. The construction
computes with integers below 2^p wherever the result matters, so that in floating point it is the construction itself on inputs
rounded to a grid:

- a coordinate is rounded to a multiple of 2^-s in [0, 2^K], and multiplied by 2^s: K + s <= p - 2, and s >= K so that steep
lines are steep enough;
- the number of a cell has d_in K bits: d_in K <= p;
- the memorizer compares numbers of d_out M bits with lines up to 17 times as large: d_out M + 5 <= p.
"""

from typing import Any, NamedTuple

import numpy as np

from nnlimits.nn.fields import as_floating


class Bits(NamedTuple):
    """The digits of the construction."""

    inputs: int
    """K: each coordinate is known to one of 2^K cells."""
    outputs: int
    """M: each output is one of 2^M values."""
    ramps: int
    """s: between two cells there is a ramp of 2^-s of a cell."""


_MEMORIZER = 5


def mantissa_of(dtype: Any) -> int:
    """The bits of the mantissa, the leading one included.

    **Raises:** `ValueError` for another precision than float32 and float64.
    """
    kind = as_floating(dtype)
    if kind not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64, whose digits the construction counts on; received {kind}")
    return int(np.finfo(kind).nmant) + 1


def largest_bits(inputs: int, outputs: int, dtype: Any = np.float64) -> tuple[int, int]:
    """The largest K and M that a precision has digits for, with `inputs` inputs and `outputs` outputs."""
    mantissa = mantissa_of(dtype)
    return min((mantissa - 2) // 2, mantissa // inputs), (mantissa - _MEMORIZER) // outputs


def ramp_bits(input_bits: int, dtype: Any = np.float64) -> int:
    """The largest s for K bits of each coordinate."""
    return mantissa_of(dtype) - 2 - input_bits


def check_bits(input_bits: int, output_bits: int, inputs: int, outputs: int, dtype: Any) -> Bits:
    """The digits of the construction.

    **Raises:** `ValueError` if the precision does not have them, saying how many it has.
    """
    most_in, most_out = largest_bits(inputs, outputs, dtype)
    name = np.dtype(dtype).name
    other = ", or take dtype=np.float64" if name == "float32" else ""
    if input_bits > most_in:
        raise ValueError(
            f"{input_bits} bits of each input are more than {name} has digits for: with {inputs} inputs, cells are numbered with "
            f"{inputs * input_bits} bits, and ramps need as many again for one input; at most {most_in} are possible{other}"
        )
    if output_bits > most_out:
        raise ValueError(
            f"{output_bits} bits of each output are more than {name} has digits for: {outputs} outputs are one number of "
            f"{outputs * output_bits} bits; at most {most_out} are possible{other}"
        )
    return Bits(input_bits, output_bits, ramp_bits(input_bits, dtype))
