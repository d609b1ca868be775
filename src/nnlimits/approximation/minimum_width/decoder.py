"""From one number to the outputs that are its digits."""

from jaxtyping import Int
from numpy import ndarray

from nnlimits.approximation.minimum_width.layers import Expression, Layers


def decoder(layers: Layers, code: Expression, bits: int, outputs: int) -> list[Expression]:
    """The digits of an integer in base 2^M, the highest first; as many units in each layer as there are outputs.

    The highest digit is a staircase of the code, with ramps between neighbouring integers, raised step by step as in the encoder;
    the code stays, so that the rest, after the digit is taken away, is the code of the others.
    """
    digits: list[Expression] = []
    for place in reversed(range(1, outputs)):
        base = 2.0 ** (bits * place)
        digit = layers.constant(0.0)
        for j in range(2**bits - 1):
            above, code, *digits = layers.relu(digit - _line(layers, code, j, base), code, *digits)
            digit = above + _line(layers, code, j, base)
            below, code, *digits = layers.relu(layers.constant(j + 1) - digit, code, *digits)
            digit = layers.constant(j + 1) - below
        code = code - base * digit
        digits.append(digit)
    return [*digits, code]


def _line(layers: Layers, code: Expression, j: int, base: float) -> Expression:
    """From j at the last code with the digit j to j + 1 at the next."""
    return code + layers.constant(j - (j + 1) * base + 1)


def joined(digits: Int[ndarray, "n outputs"], bits: int) -> Int[ndarray, " n"]:
    """The integers with these digits in base 2^M."""
    code = digits[:, 0]
    for column in digits.T[1:]:
        code = code * 2**bits + column
    return code
