"""The sum of local polynomials times the hats of their nodes, as a network whose products do not grow with the grid."""

import itertools
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import sparse

from nnlimits.approximation.relu_calculus.affine import affine, selection
from nnlimits.approximation.relu_calculus.compose import compose
from nnlimits.approximation.relu_calculus.hats import hat_widths, hats
from nnlimits.approximation.relu_calculus.identity import bounded_identity
from nnlimits.approximation.relu_calculus.monomial import monomials, monomials_widths
from nnlimits.approximation.relu_calculus.parallel import copies, stack
from nnlimits.approximation.relu_calculus.product import product, product_widths
from nnlimits.approximation.relu_calculus.relu_network import ReluNetwork
from nnlimits.approximation.relu_calculus.square import square_error


class LocalPolynomials(NamedTuple):
    """Polynomials at the nodes of a grid on `[0, N]^d`, in `t = u - m`, of degree below n in each variable.

    The network of `local_sum` has, for each parity c of nodes (2^d of them) and each power alpha, one piecewise-linear function
    `q = sum of +-a_{m, alpha} hat_m` over the nodes of that parity, which vanish outside of disjoint cubes of side 2; on each of
    them the triangle wave of the parity is +-t, so that `q wave^alpha` summed over parities and powers is the sum of
    `hat_m(u) P_m(u - m)` over all nodes. Only the q have more units on a finer grid.
    """

    coefficients: Float[np.ndarray, "outputs ..."]
    """Of axes (outputs, N + 1 for each variable, n for each variable)."""

    @property
    def dimension(self) -> int:
        """The number d of variables."""
        return (self.coefficients.ndim - 1) // 2

    @property
    def cells(self) -> int:
        """The number N of cells along each axis."""
        return self.coefficients.shape[1] - 1

    @property
    def order(self) -> int:
        """The number n of powers of each variable."""
        return self.coefficients.shape[-1]

    def by_parity(self) -> tuple[Any, Float[np.ndarray, "outputs parities ..."]]:
        """The sparse matrix from hats to the q, and the largest absolute coefficient of each, which bounds it.

        Columns, and bounds, are ordered by output, parity and powers.
        """
        d, order, outputs = self.dimension, self.order, len(self.coefficients)
        nodes = np.array(list(itertools.product(range(self.cells + 1), repeat=d)))
        powers = np.array(list(itertools.product(range(order), repeat=d)))
        parity = np.ravel_multi_index(tuple((nodes % 2).T), (2,) * d)
        signs = np.prod(np.where(nodes // 2 % 2 == 0, 1.0, -1.0)[:, None] ** powers[None], axis=2)
        values = self.coefficients.reshape(outputs, len(nodes), len(powers)) * signs
        bounds = np.zeros((outputs, 2**d, len(powers)))
        for one in range(2**d):
            if (parity == one).any():  # a grid with few cells may lack some
                bounds[:, one] = np.abs(values[:, parity == one]).max(axis=1)
        output, node, power = np.indices(values.shape)
        column = np.ravel_multi_index((output, np.take(parity, node), power), bounds.shape)
        matrix = sparse.coo_array((values.ravel(), (node.ravel(), column.ravel())), shape=(len(nodes), bounds.size))
        return matrix, bounds.reshape(outputs, 2**d, *(order,) * d)


def local_sum(polynomials: LocalPolynomials, levels: int) -> ReluNetwork:
    """The function `u -> sum_m hat_m(u) P_m(u - m)` on `[0, N]^d`, up to `local_sum_error`.

    Powers of the waves by `monomials`, then a sum of products with them over the powers of one variable after another.

    Depth: that of `hats`, and `(ceil(log2(n - 1)) + d) (levels + 1)` for n at least 2.

    **Arguments:** `polynomials`; `levels`, of the squares, at least 1.
    """
    d, cells, order = polynomials.dimension, polynomials.cells, polynomials.order
    matrix, bounds = polynomials.by_parity()
    if order == 1:  # no products: parities may join
        total = np.kron(np.eye(len(bounds)), np.ones((2**d, 1)))
        none = sparse.coo_array((d * (cells + 1), len(bounds)))
        return compose(affine(sparse.vstack([matrix @ total, none])), hats(d, cells))
    network = compose(affine(sparse.block_diag([matrix, _waves(d, cells)])), hats(d, cells))
    network = compose(selection(network.outputs, _waves_first(bounds.size, 2 * d)), network)
    bounds = _raised(bounds)
    if order > 2:
        powers = copies(monomials(order - 1, levels), 2 * d)
        network = compose(_beside(powers, bounds), network)
    for axis in range(d):
        network = compose(_contraction(bounds, d - axis, levels), network)
        bounds = bounds.sum(axis=2)
    return compose(affine(np.kron(np.eye(len(bounds)), np.ones((2**d, 1)))), network)


def local_sum_error(polynomials: LocalPolynomials, levels: int) -> float:
    """`4^-(L+1) sum |alpha| max_m |a_{m, alpha}|` over parities and powers, of the worst output: a bound of the error.

    The power k of a wave errs by at most k - 1 of `4^-(L+1)`, its product with a sum that is at most A by A more, and sums
    never exceed the sum A of the bounds of their coefficients.
    """
    bounds = _raised(polynomials.by_parity()[1])
    total_powers = np.sum(np.indices(bounds.shape[2:]), axis=0)
    return float((bounds * total_powers).reshape(len(bounds), -1).sum(axis=1).max()) * square_error(levels)


def local_sum_widths(dimension: int, cells: int, order: int, outputs: int, levels: int) -> tuple[int, ...]:
    """The widths of the hidden layers of `local_sum`, without building it."""
    widths = hat_widths(dimension, cells)
    if order == 1:
        return widths
    functions, one_product = outputs * 2**dimension, product_widths(levels)
    powers = monomials_widths(order - 1, levels)
    widths += tuple(2 * dimension * width + functions * order**dimension for width in powers)
    for left in reversed(range(dimension)):
        carried = 2 * left * (order - 1) + functions * order**left
        widths += tuple(functions * order**left * (order - 1) * width + carried for width in one_product)
    return widths


def _raised(bounds: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """At least one part in 2^52 of the largest, so that no weights are huge for coefficients that vanish."""
    return np.maximum(bounds, np.finfo(np.float64).eps * (bounds.max() or 1.0))


def _waves(dimension: int, cells: int) -> Any:
    """The matrix from the hats of each axis to its two triangle waves, which vanish at the even and at the odd nodes."""
    j = np.arange(cells + 1)
    even = np.where(j % 2 == 1, np.where(j // 2 % 2 == 0, 1.0, -1.0), 0.0)
    odd = np.where(j % 2 == 0, np.where(j // 2 % 2 == 0, -1.0, 1.0), 0.0)
    return sparse.block_diag([np.stack([even, odd], axis=1)] * dimension)


def _waves_first(functions: int, waves: int) -> np.ndarray:
    return np.concatenate([functions + np.arange(waves), np.arange(functions)])


def _beside(powers: ReluNetwork, bounds: Float[np.ndarray, "..."]) -> ReluNetwork:
    """The powers of the first inputs, and the others, which do not exceed their bounds, as they are."""
    inputs = powers.inputs + bounds.size
    carried = compose(
        bounded_identity(-bounds.ravel(), powers.depth), selection(inputs, np.arange(powers.inputs, inputs))
    )
    return stack(compose(powers, selection(inputs, np.arange(powers.inputs))), carried)


def _contraction(bounds: Float[np.ndarray, "outputs parities n ..."], left: int, levels: int) -> ReluNetwork:
    """From (powers of the waves of `left` axes, sums) to (those of the axes behind the first, sums over its powers)."""
    outputs, parities, order = bounds.shape[:3]
    rest = bounds[0, 0, 0].size
    waves, later = 2 * left * (order - 1), 2 * (left - 1) * (order - 1)
    inputs = waves + bounds.size
    place = waves + np.arange(bounds.size).reshape(outputs, parities, order, rest)
    keep = np.concatenate([np.arange(waves - later, waves), place[:, :, 0].ravel()])
    lower = -np.concatenate([np.ones(later), bounds.reshape(place.shape)[:, :, 0].ravel()])
    carried = compose(bounded_identity(lower, levels + 1), selection(inputs, keep))

    second = place[:, :, 1:].ravel()
    count, sizes = len(second), bounds.reshape(place.shape)[:, :, 1:].ravel()
    _, parity, power, _ = (index.ravel() for index in np.indices((outputs, parities, order - 1, rest)))
    first = (parity >> (left - 1)) % 2 * (order - 1) + power
    rows, columns = np.concatenate([first, second]), np.concatenate([2 * np.arange(count), 2 * np.arange(count) + 1])
    pairs = sparse.coo_array((np.concatenate([np.ones(count), 1 / sizes]), (rows, columns)), shape=(inputs, 2 * count))
    products = compose(copies(product(levels), count), affine(pairs))

    into = np.arange(outputs * parities * rest).reshape(outputs, parities, 1, rest)
    into = later + np.broadcast_to(into, (outputs, parities, order - 1, rest)).ravel()
    sums = sparse.coo_array((sizes, (np.arange(count), into)), shape=(count, len(keep)))
    return compose(affine(sparse.vstack([sparse.eye_array(len(keep)), sums])), stack(carried, products))
