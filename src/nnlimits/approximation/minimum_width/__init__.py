"""ReLU networks of the least width that approximates, max(d_in + 1, d_out), and what narrower ones cannot do.

Park, Yun, Lee & Shin (2021), Theorem 1: an encoder takes the input to the number of its cell, a memorizer takes that to the
number of the cell's outputs, a decoder takes that apart. `layers.py` writes layers as affine expressions of units; `encoder.py`,
`memorizer.py` and `decoder.py` are the three parts, `precision.py` the digits that they need, `theorem.py` puts them
together, and `obstruction.py` and `experiments/` show what is lost with less width.
"""

from nnlimits.approximation.minimum_width.precision import Bits, check_bits, largest_bits, ramp_bits
from nnlimits.approximation.minimum_width.theorem import minimum_width

__all__ = ["Bits", "check_bits", "largest_bits", "minimum_width", "ramp_bits"]
