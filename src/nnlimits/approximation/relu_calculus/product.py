"""The product of two numbers, from two squares."""

import numpy as np

from nnlimits.approximation.relu_calculus.affine import affine
from nnlimits.approximation.relu_calculus.compose import compose
from nnlimits.approximation.relu_calculus.extrema import absolute
from nnlimits.approximation.relu_calculus.parallel import copies
from nnlimits.approximation.relu_calculus.relu_network import ReluNetwork
from nnlimits.approximation.relu_calculus.square import square, square_error
from nnlimits.validation import check_positive


def product(levels: int, first_bound: float = 1.0, second_bound: float = 1.0) -> ReluNetwork:
    """The function `(x, y) -> x y` for `|x| <= A` and `|y| <= B`, up to `product_error(levels, A, B) = A B 4^-(levels + 1)`.

    `A B (s(|x/A + y/B| / 2) - s(|x/A - y/B| / 2))` with s of `square(levels)`: as both squares err upwards, by no more than
    `4^-(L+1)`, so does their difference by no more than that in absolute value; three squares, as in Yarotsky (2017,
    Proposition 3), would err by more. Values stay within `[-A B, A B]`; they are exact where x or y is 0 (both squares are the
    same) and where `|x| = A` or `|y| = B` (the squares of u and 1 - u err alike).

    Depth L + 1, width 6 (4 for L = 1), 6 L + 2 units and 16 L + 6 weights.

    **Arguments:** `levels`, L, at least 1; `first_bound` and `second_bound`, A and B.
    """
    check_positive("first_bound", first_bound)
    check_positive("second_bound", second_bound)
    means = affine(np.array([[0.5 / first_bound, 0.5 / first_bound], [0.5 / second_bound, -0.5 / second_bound]]))
    size = first_bound * second_bound
    difference = affine(np.array([[size], [-size]]))
    return compose(difference, copies(square(levels), 2), absolute(2), means)


def product_error(levels: int, first_bound: float = 1.0, second_bound: float = 1.0) -> float:
    """`A B 4^-(levels + 1)`, a bound of the distance of `product(levels, A, B)` from the product."""
    return first_bound * second_bound * square_error(levels)


def product_widths(levels: int) -> tuple[int, ...]:
    """The widths of the hidden layers of `product(levels)`."""
    return (4, 4, *(6,) * (levels - 1))
