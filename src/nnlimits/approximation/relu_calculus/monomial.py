"""Powers of one variable, by products of lower powers."""

import numpy as np

from nnlimits.approximation.relu_calculus.affine import selection
from nnlimits.approximation.relu_calculus.compose import compose
from nnlimits.approximation.relu_calculus.identity import bounded_identity, identity
from nnlimits.approximation.relu_calculus.parallel import copies, stack
from nnlimits.approximation.relu_calculus.product import product, product_widths
from nnlimits.approximation.relu_calculus.relu_network import ReluNetwork
from nnlimits.approximation.relu_calculus.square import square_error
from nnlimits.nn.fields import as_integer


def monomials(degree: int, levels: int) -> ReluNetwork:
    """The function `x -> (x, x^2, ..., x^k)` for `|x| <= 1`, the j-th up to `monomial_error(j, levels)`.

    In rounds that double the degree: `x^m` is the `product` of the powers ceil(m / 2) and floor(m / 2). Values stay within
    [-1, 1], and are exact, up to rounding, at -1, 0 and 1.

    Depth `ceil(log2 k) (levels + 1)`.

    **Arguments:** `degree`, k, at least 1; `levels`, of the squares, at least 1.
    """
    degree, levels = as_integer("degree", 1, degree), as_integer("levels", 1, levels)
    network, reached = identity(1, 0), 1
    while reached < degree:
        goal = min(2 * reached, degree)
        factors = [place for power in range(reached + 1, goal + 1) for place in ((power + 1) // 2 - 1, power // 2 - 1)]
        new = compose(copies(product(levels), goal - reached), selection(reached, factors))
        network = compose(stack(bounded_identity(-np.ones(reached), levels + 1), new), network)
        reached = goal
    return network


def monomials_widths(degree: int, levels: int) -> tuple[int, ...]:
    """The widths of the hidden layers of `monomials(degree, levels)`."""
    widths, reached = (), 1
    while reached < degree:
        goal = min(2 * reached, degree)
        widths += tuple(reached + (goal - reached) * width for width in product_widths(levels))
        reached = goal
    return widths


def monomial(degree: int, levels: int) -> ReluNetwork:
    """The function `x -> x^degree` for `|x| <= 1`, the last output of `monomials`, with its depth and error."""
    return compose(selection(degree, [degree - 1]), monomials(degree, levels))


def monomial_error(degree: int, levels: int) -> float:
    """`(k - 1) 4^-(levels + 1)`, a bound of the error of the power k: errors of both factors add to that of the product."""
    return (as_integer("degree", 1, degree) - 1) * square_error(levels)
