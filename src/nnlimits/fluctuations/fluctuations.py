"""The public face of the expansion in 1/width: `fluctuations(network, x)` and `layerwise(network, x)`."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from nnlimits import nn
from nnlimits.fluctuations.kernel_fluctuations import KernelFluctuations, Matrix, Tensor, relative_variance
from nnlimits.fluctuations.network import HiddenStep, Reading
from nnlimits.fluctuations.own_precision import own_precision
from nnlimits.fluctuations.recursion import State, first_layer, next_layer
from nnlimits.fluctuations.run import grouped, inputs_precision, read_inputs, run, typed_steps


class Fluctuations(KernelFluctuations):
    """The outputs of a random finite network at inputs `x_1 ... x_n` and its NTK, to first order in 1/width.

    As `KernelFluctuations`, and with it the NTK `H_ij,ab`, the inner product of the gradients of `f_i(x_a)` and `f_j(x_b)`.
    With all hidden widths equal to `n`, the tensors of Roberts, Yaida & Hanin 2022 are
    `n` times `kernel_correction`, `vertex`, `A`, `B`, `D` and `F`.

    From `layerwise`, every array has a leading axis for the Dense layers, the first at 0.
    """

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
    def ntk_covariance(self) -> Tensor:
        """`Cov[H_ii,ab, H_ii,cd]` of one output: `A_abcd` and B's two pairings."""
        b = self.ntk_weight_covariance
        return self.ntk_mean_covariance + b + jnp.swapaxes(b, -2, -1)

    @property
    @own_precision
    def ntk_variance(self) -> Float[Array, "*layers n"]:
        """The relative variance of one output's NTK at each input, `Var[H_ii,aa] / Theta_aa^2`."""
        return relative_variance(self.ntk_covariance, self.ntk)

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

    **Raises:** `NotImplementedError` for layers without a rule (residual blocks, normalization, ...), for convolutions, whose
    `kernel_fluctuations` are known, and nonlinearities that jump; `ValueError` or `TypeError` for bad inputs.
    """
    return _found(_last, network, x)


def layerwise(network: nn.Layer, x: ArrayLike) -> Fluctuations:
    """The same for the outputs of every Dense layer, along a first axis; arguments and errors as of `fluctuations`."""
    return _found(_every, network, x)


def read_checked(network: nn.Layer, x: ArrayLike) -> Reading:
    """The network as read, for inputs that have been checked and a network that does not share weights by positions."""
    reading = read_inputs(network, x)
    if reading.shared is not None:
        raise NotImplementedError(
            f"{reading.shared} shares its weights between positions, and the NTK at first order in 1/width has no rule for it: a "
            "unit's gradients at two positions have weights in common at different offsets, which gives further terms. The "
            "output's own variance and cumulants are in nnlimits.fluctuations.kernel_fluctuations; the NTK can be estimated "
            "with nnlimits.empirical.monte_carlo"
        )
    return reading


def _found(compute: Any, network: nn.Layer, x: ArrayLike) -> Fluctuations:
    reading = read_checked(network, x)
    with inputs_precision(network, reading.x):
        return compute(reading.first, typed_steps(reading), reading.x)


def _as_fluctuations(state: State) -> Fluctuations:
    return Fluctuations(**{name: getattr(state, name) for name in State.__dataclass_fields__})


@jax.jit
def _last(first: Any, steps: tuple[HiddenStep, ...], x: Float[Array, "n d"]) -> Fluctuations:
    state = first_layer(first, x)
    return _as_fluctuations(run(next_layer, steps, state))


@jax.jit
def _every(first: Any, steps: tuple[HiddenStep, ...], x: Float[Array, "n d"]) -> Fluctuations:
    state = first_layer(first, x)
    layers = [jax.tree.map(lambda v: v[None], state)]
    for group in grouped(steps):
        state, after = jax.lax.scan(lambda s, step: _twice(next_layer(step, s)), state, group)
        layers.append(after)
    return _as_fluctuations(jax.tree.map(lambda *parts: jnp.concatenate(parts), *layers))


def _twice(state: State) -> tuple[State, State]:
    return state, state
