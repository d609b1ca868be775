"""Kernels of infinite depth against those of finite depth, and against simulated networks of finite depth and width."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

import nnlimits
from nnlimits import nn
from nnlimits.infinite_depth.experiments.sampled_kernels import SampledKernels, sampled_kernels
from nnlimits.nn.fields import as_integer
from nnlimits.progress import Advance, ignore
from nnlimits.rates import FittedRate, fitted_paired_rate

_EXAMPLES, _FEATURES, _IMAGE = 4, 4, (4, 4, 2)
_PROBLEMS = 4
"""Sets of inputs, over which errors are a root mean square."""
_SCALE = math.sqrt(2)


class DepthKernels(NamedTuple):
    """Kernels of infinitely deep networks and what they were compared with; relative errors in the Frobenius norm."""

    depths: Int[np.ndarray, " depths"]
    errors: dict[str, Float[np.ndarray, "depths problems"]]
    """Of kernels of finite depth and infinite width, by network and kernel."""
    derivative_error: float
    """Of the NTK's derivative in `w_std`, summed over all pairs, at the largest depth: relative to that at infinite depth."""
    smallest_eigenvalues: dict[str, float]
    """Of Gram matrices of infinite depth, in units of their mean eigenvalue, by network and kernel."""
    sampled: dict[str, SampledKernels]
    """Simulated networks, by name."""

    def rate(self, name: str) -> FittedRate:
        """The power of the depth with which an error falls."""
        return fitted_paired_rate(np.asarray(self.depths, float), self.errors[name])


def depth_kernels(
    depths: Sequence[int] = (4, 16, 64, 256, 1024),
    widths: Sequence[int] = (24, 48, 96),
    *,
    draws: int = 400,
    inputs: int = 100,
    seed: int = 0,
    advance: Advance = ignore,
) -> DepthKernels:
    """Limits of infinite depth and width, approached from depth alone and from depth and width together.

    Residual networks with blocks `x + L^(-1/2) W phi(x)`: the kernel of depth L is Euler's method for its differential equation,
    with an error of the order 1/L; simulated ones are as deep as they are wide, as both limits may be taken together (Hayou &
    Yang 2023). ODE networks and equilibria, whose weights are tied, have no kernel of finite depth, and are simulated only.

    **Arguments:** `depths` and `widths`, two or more each, ascending; `draws`, networks of each width; `inputs`, of Gram
    matrices whose smallest eigenvalue is found; `seed`; `advance`, told of each network: `work(depths, widths)` times.

    **Raises:** `ValueError` for fewer than two depths, widths, draws or inputs, or sizes that do not ascend.
    """
    for name, sizes in (("depths", depths), ("widths", widths)):
        if len(sizes) < 2 or list(sizes) != sorted(set(sizes)) or min(sizes) < 1:
            raise ValueError(
                f"{name} must be two or more whole numbers that ascend, to fit a rate; received {tuple(sizes)}"
            )
    as_integer("draws", 2, draws)
    as_integer("inputs", 2, inputs)
    draw = np.random.default_rng(seed)
    errors: dict[str, Any] = {}
    smallest: dict[str, float] = {}
    with jax.enable_x64(True):
        for name, (make, shape) in _deep().items():
            errors |= _errors(name, make, draw.standard_normal((_PROBLEMS * _EXAMPLES, *shape)), depths, advance)
            smallest |= _smallest(name, make(math.inf), draw.standard_normal((inputs, *shape)))
            advance(name)
        derivative = _derivative_error(max(depths), draw.standard_normal((_EXAMPLES, _FEATURES)))
        advance("derivative")
    x, sampled = draw.standard_normal((_EXAMPLES, _FEATURES)), {}
    for name, (make, limit) in wide().items():
        sampled[name] = sampled_kernels(make, limit, x, widths, draws=draws, seed=seed, advance=advance)
        if limit not in (make(math.inf) for make, _ in _deep().values()):
            with jax.enable_x64(True):
                smallest |= _smallest(name, limit, draw.standard_normal((inputs, _FEATURES)))
    return DepthKernels(np.asarray(depths), errors, derivative, smallest, sampled)


def work(depths: Sequence[int], widths: Sequence[int]) -> int:
    """How often `depth_kernels` calls `advance`."""
    return (1 + len(depths)) * len(_deep()) + 1 + len(widths) * len(wide())


def residual(
    activation: nn.Layer, depth: int | float, width: int = 1, w_std: Any = _SCALE, outputs: int = 1
) -> nn.Layer:
    """Blocks `x + depth^(-1/2) W phi(x)` between two dense layers."""
    block = nn.Residual(nn.Sequential(activation, nn.Dense(width, w_std), nn.DepthScale(0.5)))
    return nn.Sequential(nn.Dense(width, b_std=0.1), nn.Repeat(block, depth), nn.Dense(outputs))


def wide() -> dict[str, tuple[Any, nn.Layer]]:
    """Networks to simulate: functions of the width, which is the number of outputs too, and networks that have their kernel."""

    def ode(width: int, **options: Any) -> nn.Layer:
        field = nn.Sequential(nn.Relu(), nn.Dense(width, _SCALE, b_std=0.3))
        return nn.Sequential(nn.Dense(width, b_std=0.1), nn.NeuralODE(field, **options), nn.Dense(width))

    def equilibrium(width: int) -> nn.Layer:
        cell = nn.Cell(nn.Dense(width, 0.4, b_std=None), nn.Dense(width, 1.1, b_std=0.3), nn.Relu())
        return nn.Sequential(nn.Equilibrium(cell), nn.Dense(width))

    return {
        "residual, as deep as wide": (
            lambda width: residual(nn.Relu(), width, width, outputs=width),
            residual(nn.Relu(), math.inf),
        ),
        # steps short enough for an error of 1e-4, far below what the width does; the reverse mode asks for fixed steps
        "neural ODE": (lambda width: ode(width, solver="dopri5", steps=4, adjoint="direct"), ode(1)),
        "equilibrium": (equilibrium, equilibrium(1)),
    }


def _deep() -> dict[str, tuple[Any, tuple[int, ...]]]:
    """Networks as functions of their depth, and the shapes of their inputs."""

    def convolution(depth: int | float) -> nn.Layer:
        body = nn.Sequential(nn.Relu(), nn.Conv(1, 3, padding="same", w_std=_SCALE), nn.DepthScale(0.5))
        blocks = nn.Repeat(nn.Residual(body), depth)
        return nn.Sequential(nn.Conv(1, 3, padding="same"), blocks, nn.Flatten(), nn.Dense(1))

    return {
        "ReLU": (lambda depth: residual(nn.Relu(), depth), (_FEATURES,)),
        "erf": (lambda depth: residual(nn.Erf(), depth), (_FEATURES,)),
        "ReLU convolution": (convolution, _IMAGE),
    }


def _errors(name: str, make: Any, x: np.ndarray, depths: Sequence[int], advance: Advance) -> dict[str, Any]:
    limit = nnlimits.kernel(make(math.inf))(x)
    errors: dict[str, Any] = {f"{name}, {kernel}": [] for kernel in ("NNGP", "NTK")}
    for depth in depths:
        found = nnlimits.kernel(make(depth))(x)
        for rows, one, other in zip(errors.values(), found, limit, strict=True):
            rows.append(_of_problems(np.asarray(one - other)) / _of_problems(np.asarray(other)))
        advance(f"{name}, depth {depth}")
    return {key: np.stack(rows) for key, rows in errors.items()}


def _of_problems(gram: np.ndarray) -> np.ndarray:
    """Frobenius norms of the blocks of a Gram matrix that belong to one set of inputs each."""
    blocks = gram.reshape(_PROBLEMS, _EXAMPLES, _PROBLEMS, _EXAMPLES)
    return np.array([np.linalg.norm(blocks[i, :, i]) for i in range(_PROBLEMS)])


def _derivative_error(depth: int, x: np.ndarray) -> float:
    def total(depth: int | float, w_std: Any) -> Any:
        return nnlimits.kernel(residual(nn.Relu(), depth, w_std=w_std)).ntk(jnp.asarray(x)).sum()

    limit = float(jax.jit(jax.grad(lambda w_std: total(math.inf, w_std)))(_SCALE))
    # forward, which keeps nothing of a thousand blocks
    found = jax.jit(lambda w_std: jax.jvp(lambda w: total(depth, w), (w_std,), (jnp.ones_like(w_std),))[1])(
        jnp.asarray(_SCALE)
    )
    return abs(float(found) - limit) / abs(limit)


def _smallest(name: str, network: nn.Layer, x: np.ndarray) -> dict[str, float]:
    found = nnlimits.kernel(network)(x)
    eigenvalues = (np.linalg.eigvalsh(np.asarray(gram)) for gram in found)
    names = (f"{name}, {kernel}" for kernel in ("NNGP", "NTK"))
    return {key: float(values[0] / values.mean()) for key, values in zip(names, eigenvalues, strict=True)}
