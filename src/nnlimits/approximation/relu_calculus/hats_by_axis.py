"""Hat functions on a grid in any dimension, whose range takes in one axis after another."""

import numpy as np
from scipy import sparse

from nnlimits.approximation.relu_calculus.affine_map import AffineMap
from nnlimits.approximation.relu_calculus.relu_network import ReluNetwork
from nnlimits.nn.fields import as_integer


def hats_by_axis(dimension: int, cells: int) -> ReluNetwork:
    """The function of `hats`, with `d + 1` hidden layers.

    With M and -m the largest and the negative of the least of 0, z_1, ..., z_i, neither below zero,

        M' = M + relu(z - M),   -m' = -m + relu(m - z)   for z = z_{i+1},

    so that the layer i + 1 has four units for each of the `(N + 1)^{i+1}` parts of nodes, and the last one the hats
    `relu(1 - M - (-m))`.

    **Arguments:** `dimension`, d, at least 2; `cells`, N along each axis, at least 1.

    **Raises:** `ValueError` for smaller ones.
    """
    dimension, cells = as_integer("dimension", 2, dimension), as_integer("cells", 1, cells)
    maps, ends = [_first(dimension, cells)], dimension * (cells + 1)
    for axis in range(1, dimension):
        maps.append(_joined(dimension, cells, axis, maps[-1].outputs))
    nodes = (cells + 1) ** dimension
    # all four units of a node add to M - m; behind them lie the coordinates and the hats of the axes
    total = sparse.hstack([-sparse.eye_array(nodes)] * 4).T
    rest = sparse.coo_array(
        (np.ones(ends), (np.arange(ends) + dimension, np.arange(ends))), shape=(dimension + ends, ends)
    )
    maps.append(AffineMap(sparse.block_diag([total, rest]), np.concatenate([np.ones(nodes), np.zeros(ends)])))
    maps.append(AffineMap(sparse.eye_array(nodes + ends), np.zeros(nodes + ends)))
    return ReluNetwork(tuple(maps))


def hats_by_axis_widths(dimension: int, cells: int) -> tuple[int, ...]:
    """The widths of the hidden layers of `hats_by_axis(dimension, cells)`."""
    ends = dimension * (cells + 1)
    first = dimension + dimension * 2 * (cells + 1)
    between = [4 * (cells + 1) ** axis + dimension + ends for axis in range(2, dimension + 1)]
    return (first, *between, (cells + 1) ** dimension + ends)


def _first(dimension: int, cells: int) -> AffineMap:
    """To `relu(u_i - j)` and `relu(j - u_i)` for each axis and j, and before them the coordinates themselves."""
    j = np.arange(cells + 1.0)
    sides = sparse.block_diag([np.concatenate([np.ones((1, cells + 1)), -np.ones((1, cells + 1))], axis=1)] * dimension)
    weight = sparse.hstack([sparse.eye_array(dimension), sides])
    return AffineMap(weight, np.concatenate([np.zeros(dimension), *[-j, j] * dimension]))


def _joined(dimension: int, cells: int, axis: int, inputs: int) -> AffineMap:
    """From (M, -m in two parts each) of the first axes to those with another axis; coordinates and hats of axes are kept.

    A layer holds, for P parts of nodes, the units `relu(M)`, `relu(z - M)`, `relu(-m)`, `relu(m - z)`, P of each, then the d
    coordinates and the hats of all axes. The first layer holds the coordinates and the two sides of each axis, of which those of
    the first are M and -m.
    """
    count = cells + 1
    before, ends = count**axis, dimension * count
    if axis == 1:
        upper, lower = [dimension + np.arange(count)], [dimension + count + np.arange(count)]
        coordinates = np.arange(dimension)
    else:
        units = np.arange(4 * before).reshape(4, before)
        upper, lower = [units[0], units[1]], [units[2], units[3]]
        coordinates = 4 * before + np.arange(dimension)
    part, j = (index.ravel() for index in np.indices((before, count)))
    z = np.full(part.size, coordinates[axis])
    largest = [(1.0, unit[part]) for unit in upper]
    least = [(1.0, unit[part]) for unit in lower]
    blocks = [
        (largest, np.zeros(part.size)),
        ([(1.0, z), *((-c, unit) for c, unit in largest)], -1.0 * j),
        (least, np.zeros(part.size)),
        ([(-1.0, z), *((-c, unit) for c, unit in least)], 1.0 * j),
        ([(1.0, coordinates)], np.zeros(dimension)),
    ]
    if axis == 1:  # 1 - |u_i - j| from its two sides
        sides = dimension + (np.arange(dimension)[:, None] * 2 * count + np.arange(count)).ravel()
        blocks.append(([(-1.0, sides), (-1.0, sides + count)], np.ones(ends)))
    else:
        blocks.append(([(1.0, 4 * before + dimension + np.arange(ends))], np.zeros(ends)))
    return AffineMap(
        sparse.hstack([_columns(terms, inputs) for terms, _ in blocks]), np.concatenate([b for _, b in blocks])
    )


def _columns(terms: list[tuple[float, np.ndarray]], inputs: int) -> sparse.coo_array:
    """The matrix whose k-th column is the sum of coefficients at the k-th unit of each term."""
    outputs = len(terms[0][1])
    data = np.repeat([coefficient for coefficient, _ in terms], outputs)
    rows, columns = np.concatenate([unit for _, unit in terms]), np.tile(np.arange(outputs), len(terms))
    return sparse.coo_array((data, (rows, columns)), shape=(inputs, outputs))
