"""The public face of the expansion in 1/width: `fluctuations(network, x)` and `layerwise(network, x)`."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from nnlimits import nn
from nnlimits.compute.precision import precision_of
from nnlimits.fluctuations.derivatives import check_continuous
from nnlimits.fluctuations.network import HiddenStep, Reading, read
from nnlimits.fluctuations.own_precision import own_precision
from nnlimits.fluctuations.recursion import State, first_layer, next_layer
from nnlimits.validation import check_inputs, is_traced

Matrix = Float[Array, "*layers n n"]
Tensor = Float[Array, "*layers n n n n"]


class Fluctuations(eqx.Module):
    """The outputs of a random finite network at inputs `x_1 ... x_n`, to first order in 1/width.

    Given the weights of all layers but the last, the outputs `f_i(x_a)` are independent over `i` and Gaussian, with a
    random covariance `S_ab`, and `H_ij,ab` is the NTK, the inner product of the gradients of `f_i(x_a)` and `f_j(x_b)`.
    Every tensor holds the widths: it is the number that a finite network has, with relative error O(1/width), and no power of
    the width has been taken out. With all hidden widths equal to `n`, the tensors of Roberts, Yaida & Hanin 2022 are
    `n` times `kernel_correction`, `vertex`, `A`, `B`, `D` and `F`.

    From `layerwise`, every array has a leading axis for the Dense layers, the first at 0.
    """

    kernel: Matrix
    """`K`, the covariance of an output at infinite width."""
    kernel_correction: Matrix
    """`G`: `E[S_ab] = K_ab + G_ab + O(1/width^2)`."""
    vertex: Tensor
    """`V_abcd`: `Cov[S_ab, S_cd]` to first order."""
    ntk: Matrix
    """`Theta`, the NTK at infinite width."""
    ntk_correction: Matrix
    """`E[H_ii,ab] - Theta_ab` to first order."""
    ntk_mean_covariance: Tensor
    """`A_abcd`: `Cov[H_ii,ab, H_jj,cd]` of two outputs to first order."""
    ntk_weight_covariance: Tensor
    """`B_abcd`: `E[H_ij,ab H_ij,cd]` of two outputs to first order; with the textbook's order of indices, `B_acbd`."""
    kernel_ntk_covariance: Tensor
    """`D_abcd`: `Cov[f_i(x_a) f_i(x_b), H_jj,cd]` of two outputs, which is `Cov[S_ab, H_jj,cd]`, to first order."""
    output_ntk_covariance: Tensor
    """`F_abcd`: `E[f_i(x_a) f_j(x_b) H_ij,cd]` of two outputs to first order; with the textbook's order of indices, `F_acbd`."""

    @property
    def A(self) -> Tensor:
        """`ntk_mean_covariance`, by its name in Roberts, Yaida & Hanin 2022, equation 8.97."""
        return self.ntk_mean_covariance

    @property
    def B(self) -> Tensor:
        """`ntk_weight_covariance`, by its name in Roberts, Yaida & Hanin 2022, equation 8.89."""
        return self.ntk_weight_covariance

    @property
    def D(self) -> Tensor:
        """`kernel_ntk_covariance`, by its name in Roberts, Yaida & Hanin 2022, equation 8.77."""
        return self.kernel_ntk_covariance

    @property
    def F(self) -> Tensor:
        """`output_ntk_covariance`, by its name in Roberts, Yaida & Hanin 2022, equation 8.79."""
        return self.output_ntk_covariance

    @property
    @own_precision
    def output_cumulant(self) -> Tensor:
        """The fourth cumulant of one output at four inputs: `V_abcd + V_acbd + V_adbc`."""
        v = self.vertex
        return v + jnp.swapaxes(v, -3, -2) + jnp.swapaxes(v, -3, -1)

    @property
    @own_precision
    def kurtosis(self) -> Float[Array, "*layers n"]:
        """The excess kurtosis of an output at each input, `3 V_aaaa / K_aa^2`; zero for a Gaussian."""
        return 3 * self.kernel_variance

    @property
    @own_precision
    def kernel_variance(self) -> Float[Array, "*layers n"]:
        """The relative variance of `S_aa` at each input, `V_aaaa / K_aa^2`; zero where `K_aa` is."""
        return _relative(self.vertex, self.kernel)

    @property
    @own_precision
    def ntk_covariance(self) -> Tensor:
        """`Cov[H_ii,ab, H_ii,cd]` of one output: `A_abcd` and B's two pairings."""
        b = self.ntk_weight_covariance
        return self.ntk_mean_covariance + b + jnp.swapaxes(b, -2, -1)

    @property
    @own_precision
    def ntk_variance(self) -> Float[Array, "*layers n"]:
        """The relative variance of one output's NTK at each input, `Var[H_ii,aa] / Theta_aa^2`."""
        return _relative(self.ntk_covariance, self.ntk)

    @property
    @own_precision
    def mean_kernel(self) -> Matrix:
        """`K + G`, the mean covariance of an output to first order."""
        return self.kernel + self.kernel_correction

    @property
    @own_precision
    def mean_ntk(self) -> Matrix:
        """The mean NTK of an output to first order."""
        return self.ntk + self.ntk_correction


def fluctuations(network: nn.Layer, x: ArrayLike) -> Fluctuations:
    """The outputs of a random finite network to first order in 1/width.

    Yaida 2020; Roberts, Yaida & Hanin 2022, chapters 4 and 8.

    The widths are those of the network's Dense layers. Differentiable with respect to hyper-parameters and inputs, under
    `jax.jit` too; in the precision of the inputs. Layers with one nonlinearity run under one `lax.scan`.

    The cost grows as the number of sets of four inputs. Double precision is advised: in single precision the derivatives of
    kinked nonlinearities lose digits between inputs whose correlation is within 1e-2 of one.

    **Arguments:** `network`, `nn.Dense` layers with at most one activation between each two (`nn.Sequential`, `nn.Repeat`,
    `nn.Identity` and `nn.Scale` too), ending in `nn.Dense`; `x`, inputs `(n, d)`, a few of them.

    **Returns:** `Fluctuations` of the last layer.

    **Raises:** `NotImplementedError` for layers without a rule (convolutions, residual blocks, normalization, ...) and
    nonlinearities that jump; `ValueError` or `TypeError` for bad inputs.
    """
    return _found(_last, network, x)


def layerwise(network: nn.Layer, x: ArrayLike) -> Fluctuations:
    """The same for the outputs of every Dense layer, along a first axis; arguments and errors as of `fluctuations`."""
    return _found(_every, network, x)


def read_checked(network: nn.Layer, x: ArrayLike) -> Reading:
    """The network as read, for inputs that have been checked."""
    if not isinstance(network, nn.Layer):
        raise TypeError(f"network must be an expression of nnlimits.nn; received {type(network).__name__}")
    inputs = check_inputs("x", x, rank=max(np.ndim(x), 2))
    with _precision(network, inputs):
        reading = read(network, jnp.asarray(inputs))
    for step in reading.steps:
        check_continuous(step.activation)
    return reading


def _found(compute: Any, network: nn.Layer, x: ArrayLike) -> Fluctuations:
    reading = read_checked(network, x)
    with _precision(network, reading.x):
        assert reading.first is not None
        steps = jax.tree.map(lambda leaf: _typed(leaf, reading.x.dtype), reading.steps)
        return compute(reading.first, steps, reading.x)


def _typed(leaf: Any, dtype: Any) -> Any:
    return leaf.astype(dtype) if isinstance(leaf, jax.Array) else np.asarray(leaf, dtype)


def _precision(network: nn.Layer, x: Any) -> Any:
    """Double precision for known double-precision inputs; what there is, if anything is traced."""
    return precision_of(*([] if is_traced(network) else [x]))


def _as_fluctuations(state: State) -> Fluctuations:
    return Fluctuations(**{name: getattr(state, name) for name in State.__dataclass_fields__})


@jax.jit
def _last(first: Any, steps: tuple[HiddenStep, ...], x: Float[Array, "n d"]) -> Fluctuations:
    state = first_layer(first, x)
    for group in _groups(steps):
        state = jax.lax.scan(lambda s, step: (next_layer(step, s), None), state, group)[0]
    return _as_fluctuations(state)


@jax.jit
def _every(first: Any, steps: tuple[HiddenStep, ...], x: Float[Array, "n d"]) -> Fluctuations:
    state = first_layer(first, x)
    layers = [jax.tree.map(lambda v: v[None], state)]
    for group in _groups(steps):
        state, after = jax.lax.scan(lambda s, step: _twice(next_layer(step, s)), state, group)
        layers.append(after)
    return _as_fluctuations(jax.tree.map(lambda *parts: jnp.concatenate(parts), *layers))


def _twice(state: State) -> tuple[State, State]:
    return state, state


def _groups(steps: tuple[HiddenStep, ...]) -> list[HiddenStep]:
    """Consecutive steps with one kind of nonlinearity, stacked."""
    rows: list[list[HiddenStep]] = []
    for step in steps:
        if rows and jax.tree.structure(rows[-1][0]) == jax.tree.structure(step):
            rows[-1].append(step)
        else:
            rows.append([step])
    return [jax.tree.map(lambda *leaves: jnp.stack(leaves), *row) for row in rows]


def _relative(covariance: Tensor, mean: Matrix) -> Float[Array, "*layers n"]:
    variance = jnp.einsum("...aaaa->...a", covariance)
    square = jnp.einsum("...aa->...a", mean) ** 2
    return jnp.where(square > 0, variance / jnp.where(square > 0, square, 1.0), 0.0)
