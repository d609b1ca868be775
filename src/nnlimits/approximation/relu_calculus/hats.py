"""Hat functions on a grid: a partition of unity made of rectifiers."""

import itertools

import numpy as np
from scipy import sparse

from nnlimits.approximation.relu_calculus.affine_map import AffineMap, of_the_same
from nnlimits.approximation.relu_calculus.hats_by_axis import hats_by_axis, hats_by_axis_widths
from nnlimits.approximation.relu_calculus.relu_network import ReluNetwork
from nnlimits.nn.fields import as_integer

LARGEST_DIMENSION = 6
"""Beyond it even (2 + 1)^d hats are too many units."""


def hats(dimension: int, cells: int) -> ReluNetwork:
    """The hats of all nodes of the grid `{0, ..., N}^d` and of each axis, for u in `[0, N]^d`.

    The hat of a node m is `relu(1 - range(0, z_1, ..., z_d))` with z = u - m: 1 at m, 0 at all other nodes, linear on each
    simplex of Kuhn's triangulation of the grid, so that the hats are non-negative and sum to 1, and at most d + 1 of them are not
    zero at any point. With `range(0, a, b) = (|a| + |b| + |a - b|) / 2`, the first layer, of `relu(u_i - j)` and
    `relu(u_1 - u_2 - j)`, is shared by all nodes.

    Outputs: the `(N + 1)^d` hats, the last axis running quickest; then, for each axis, its N + 1 hats `relu(1 - |u_i - j|)`.

    Depth 2 in one or two dimensions, 3 in three; the widest layer has N + 1, `(N + 1)^2 + 2 (N + 1)` or
    `2 (N + 1)^3 + 3 (N + 1)` units. In more dimensions one z after another joins the range, see `hats_by_axis`.

    **Arguments:** `dimension`, d, 1 to 6; `cells`, N along each axis, at least 1.

    **Raises:** `ValueError` for another dimension or no cells.
    """
    dimension, cells = as_integer("dimension", 1, dimension), as_integer("cells", 1, cells)
    if dimension > LARGEST_DIMENSION:
        raise ValueError(
            f"dimension must be at most {LARGEST_DIMENSION}; received {dimension}, with (N + 1)^{dimension} hats"
        )
    if dimension > 3:
        return hats_by_axis(dimension, cells)
    grid = _Grid(dimension, cells)
    if dimension == 1:
        last = sparse.vstack([sparse.eye_array(cells + 1)] * 2).T
        return ReluNetwork((grid.first, grid.axis_hats(), AffineMap(last, np.zeros(2 * cells + 2))))
    if dimension == 2:
        second = grid.two_dimensional()
        return ReluNetwork((grid.first, second, AffineMap(sparse.eye_array(second.outputs), np.zeros(second.outputs))))
    second, third = grid.three_dimensional()
    return ReluNetwork((grid.first, second, third, AffineMap(sparse.eye_array(third.outputs), np.zeros(third.outputs))))


class _Grid:
    """The first layer, where its units are, and what is made of them.

    A row of a later layer is a dictionary from units to coefficients; a unit named twice counts twice.
    """

    def __init__(self, dimension: int, cells: int) -> None:
        self.dimension, self.cells = dimension, cells
        self.nodes = np.array(list(itertools.product(range(cells + 1), repeat=dimension)))
        rows = [np.eye(dimension)[axis] for axis in range(dimension) for _ in range(cells)]
        biases = [-float(j) for _ in range(dimension) for j in range(cells)]
        if dimension > 1:  # differences of the last two coordinates
            difference = np.eye(dimension)[-2] - np.eye(dimension)[-1]
            rows += [difference] * (2 * cells)
            biases += [-float(j) for j in range(-cells, cells)]
        self.first = AffineMap(np.array(rows).T, np.array(biases))

    def coordinate(self, axis: int) -> np.ndarray:
        """The unit that holds u_axis, which is `relu(u_axis - 0)`."""
        return np.full(len(self.nodes), axis * self.cells)

    def above(self, axis: int | np.ndarray, j: np.ndarray) -> np.ndarray:
        """The unit of `relu(u_axis - j)`, -1 for j = N where it vanishes."""
        return np.where(j < self.cells, axis * self.cells + j, -1)

    def apart(self, j: np.ndarray) -> np.ndarray:
        """The unit of `relu(u_{d-1} - u_d - j)`, -1 for j = N where it vanishes."""
        return np.where(j < self.cells, self.dimension * self.cells + j + self.cells, -1)

    def layer(self, terms: list[tuple[float, np.ndarray]], bias: np.ndarray, inputs: int) -> AffineMap:
        """The map whose k-th output is the sum of coefficient times unit[k] over the terms, plus bias[k]."""
        outputs = np.arange(len(bias))
        there = [(np.full(int(np.sum(unit >= 0)), c), unit[unit >= 0], outputs[unit >= 0]) for c, unit in terms]
        data, rows, columns = (np.concatenate(parts) for parts in zip(*there, strict=True))
        return AffineMap(sparse.coo_array((data, (rows, columns)), shape=(inputs, len(bias))), bias)

    def axis_hats(self) -> AffineMap:
        """To `1 - |u_i - j|` for each axis and j."""
        axis, j = (part.ravel() for part in np.indices((self.dimension, self.cells + 1)))
        terms = [(1.0, axis * self.cells), (-2.0, self.above(axis, j))]
        return self.layer(terms, 1.0 - j, self.first.outputs)

    def two_dimensional(self) -> AffineMap:
        """To `1 + z_1 - relu(z_1) - relu(z_2) - relu(z_1 - z_2)` for each node, and the axes' hats."""
        one, two = self.nodes.T
        terms = [
            (1.0, self.coordinate(0)),
            (-1.0, self.above(0, one)),
            (-1.0, self.above(1, two)),
            (-1.0, self.apart(one - two)),
        ]
        return of_the_same([self.layer(terms, 1.0 - one, self.first.outputs), self.axis_hats()])

    def three_dimensional(self) -> tuple[AffineMap, AffineMap]:
        """Two layers: by how much `max(z_2, z_3)` exceeds `max(0, z_1)`, and `min(0, z_1)` exceeds `min(z_2, z_3)`; the hats.

        The range of the four numbers is `|z_1|` plus the two excesses.
        """
        one, two, three = self.nodes.T
        inputs, above, apart = self.first.outputs, self.above(0, one), self.apart(two - three)
        upper = self.layer([(1.0, self.coordinate(2)), (1.0, apart), (-1.0, above)], -1.0 * three, inputs)
        terms = [(1.0, self.coordinate(0)), (-1.0, self.coordinate(1)), (-1.0, above), (1.0, apart)]
        lower = self.layer(terms, 1.0 * (two - one), inputs)
        second = of_the_same([upper, lower, self.axis_hats()])
        count, order = len(self.nodes), np.arange(len(self.nodes))
        hat = self.layer(
            [(1.0, 2 * count + one), (-1.0, order), (-1.0, count + order)], np.zeros(count), second.outputs
        )
        axes = 3 * (self.cells + 1)
        keep = sparse.vstack([sparse.coo_array((2 * count, axes)), sparse.eye_array(axes)])
        return second, of_the_same([hat, AffineMap(keep, np.zeros(axes))])


def hat_widths(dimension: int, cells: int) -> tuple[int, ...]:
    """The widths of the hidden layers of `hats(dimension, cells)`."""
    nodes, ends = (cells + 1) ** dimension, dimension * (cells + 1)
    if dimension > 3:
        return hats_by_axis_widths(dimension, cells)
    return {
        1: (cells, nodes),
        2: (4 * cells, nodes + ends),
        3: (5 * cells, 2 * nodes + ends, nodes + ends),
    }[dimension]
