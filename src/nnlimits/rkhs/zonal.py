"""A kernel on a sphere as a function of the angle between its two inputs, and the proof that it is one."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float

from nnlimits import nn
from nnlimits.kernels import Kernel
from nnlimits.kernels.needs import needs
from nnlimits.rkhs.evaluation import KernelFunction, check_kernel, cross_gram
from nnlimits.rkhs.gegenbauer import check_dimension
from nnlimits.validation import check_positive

Nodes = Float[np.ndarray, " nodes"]

_NEEDS_POSITIONS = (
    nn.Masked,
    nn.GraphNetwork,
    nn.Embedding,
    nn.PositionalEmbedding,
    nn.Conv,
    nn.ConvTranspose,
    nn.LocallyConnected,
    nn.AvgPool,
    nn.SumPool,
    nn.GlobalAvgPool,
    nn.GlobalSumPool,
    nn.ImageResize,
    nn.SelfAttention,
    nn.Aggregate,
    nn.Index,
    nn.Rnn,
)
"""Words that tell features apart, so that a rotation of the input changes their kernel."""

_COLUMNS = 1024
"""Points at once: always so many, that a kernel is compiled once."""

_ROTATION_TOLERANCE = 1e-9


class Zonal(eqx.Module):
    """A kernel `k(x, x')` on the sphere S^(d-1) of some radius that depends on the angle between its inputs alone."""

    kernel: KernelFunction
    dimension: int = eqx.field(static=True)
    radius: float = eqx.field(static=True)
    features: int = eqx.field(static=True)
    """Of the inputs that it is evaluated at: the dimension, or 2 for a network that sees but mean squares of features."""

    def __call__(self, distance: Nodes, opposite: Bool[np.ndarray, " nodes"]) -> Nodes:
        """The kernel at the angles `distance`, or `pi - distance` where `opposite`.

        Angles near pi are given by their distance from it, which keeps their digits.
        """
        return self.in_plane(distance, opposite, np.eye(2, self.features))

    def in_plane(
        self, distance: Nodes, opposite: Bool[np.ndarray, " nodes"], plane: Float[np.ndarray, "2 features"]
    ) -> Nodes:
        """As a call, for inputs in the plane of two orthonormal vectors, one of them the first vector."""
        scale = self.radius * math.sqrt(self.features / self.dimension)
        found = np.empty(len(distance))
        for start in range(0, len(distance), _COLUMNS):
            rows = slice(start, start + _COLUMNS)
            angle = np.zeros(_COLUMNS)
            angle[: len(distance[rows])] = distance[rows]
            sign = np.ones(_COLUMNS)
            sign[: len(distance[rows])][opposite[rows]] = -1
            points = scale * np.stack([sign * np.cos(angle), np.sin(angle)], 1) @ plane
            found[rows] = cross_gram(self.kernel, scale * plane[:1], points)[0, : len(distance[rows])]
        return found

    @property
    def diagonal(self) -> float:
        """The kernel at the angle zero, as a limit: a jump where both inputs are one example, as dropout has, is left out."""
        return float(self(np.zeros(1), np.zeros(1, bool))[0])


def zonal(kernel: KernelFunction, dimension: Any, radius: int | float | None = None) -> Zonal:
    """A kernel on the sphere of R^d as a function of the angle.

    **Arguments:** `kernel`, of a fully connected network, `nnlimits.kernel(network).ntk` or `.nngp`, or any function
    `k(x1, x2)` that does not change if both inputs are rotated; `dimension`, d, at least 2; `radius`, `sqrt(d)` if absent, so
    that inputs have unit mean square.

    **Raises:** `TypeError` for what is no kernel; `ValueError` for a bad dimension or radius, or a kernel that changes under
    rotations; `NotImplementedError` that names the layer for a network that is not fully connected.
    """
    check_kernel(kernel)
    d = check_dimension(dimension)
    if radius is not None:
        check_positive("radius", radius)
    network, features = getattr(kernel, "__self__", None), d
    if isinstance(network, Kernel):
        _check_fully_connected(network.network, d)
        features = _least_features(network.network, d)
    found = Zonal(kernel, d, math.sqrt(d) if radius is None else float(radius), features)
    _check_rotations(found)
    return found


def _least_features(network: nn.Layer, dimension: int) -> int:
    """Two, where the kernel depends on inputs by their mean products alone: not if it counts features, or adds to them."""
    if needs(network).widths:
        return dimension
    try:
        network.output_shape((2,))
    except ValueError:
        return dimension
    return 2


def _check_fully_connected(network: nn.Layer, dimension: int) -> None:
    layer = next((layer for layer in _written_out(network) if isinstance(layer, _NEEDS_POSITIONS)), None)
    if layer is not None:
        raise NotImplementedError(
            f"{layer!r} tells features apart, so that the kernel is no function of the angle and has no Gegenbauer "
            "coefficients: these are for fully connected networks (nn.Dense, activations, and combinators of them); for "
            "this one nnlimits.rkhs.empirical_spectrum finds the spectrum on a sample of its inputs"
        )
    network.output_shape((dimension,))


def _written_out(layer: nn.Layer) -> Iterator[nn.Layer]:
    """A layer, and all that are inside it."""
    yield layer
    for field in dataclasses.fields(layer):
        parts = getattr(layer, field.name)
        for part in parts if isinstance(parts, tuple) else (parts,):
            if isinstance(part, nn.Layer):
                yield from _written_out(part)


def _check_rotations(found: Zonal) -> None:
    """Compare with pairs at the same angles that are rotated, which a kernel that is not zonal gives other values."""
    angles = np.array([0.4, 1.3, 2.2])
    nodes = np.minimum(angles, np.pi - angles), angles > np.pi / 2
    plane = np.linalg.qr(np.random.default_rng(0).standard_normal((found.features, 2)))[0].T
    expected, rotated = found(*nodes), found.in_plane(*nodes, plane)
    off = float(np.abs(rotated - expected).max() / max(np.abs(expected).max(), np.finfo(float).tiny))
    if off > _ROTATION_TOLERANCE:
        raise ValueError(
            f"kernel is no function of the angle: rotating both inputs changes it by {off:.1e} of its size; Gegenbauer "
            "coefficients are for kernels k(|x|, |x'|, <x, x'>) in float64; nnlimits.rkhs.empirical_spectrum takes any kernel"
        )
