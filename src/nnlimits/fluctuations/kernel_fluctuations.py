"""How the covariance of a finite network's outputs fluctuates, to first order in 1/width: `kernel_fluctuations(network, x)`."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from nnlimits import nn
from nnlimits.fluctuations.fourth_moments import most_units
from nnlimits.fluctuations.kernel_recursion import first_kernel, next_kernel, over_positions
from nnlimits.fluctuations.network import HiddenStep, Reading, Scales
from nnlimits.fluctuations.own_precision import own_precision
from nnlimits.fluctuations.positions import PositionMap
from nnlimits.fluctuations.run import inputs_precision, read_inputs, run, typed_steps

Matrix = Float[Array, "*layers n n"]
Tensor = Float[Array, "*layers n n n n"]


class KernelFluctuations(eqx.Module):
    """The outputs of a random finite network at inputs `x_1 ... x_n`, to first order in 1/width.

    Given the weights of all layers but the last, the outputs `f_i(x_a)` are independent over `i` and Gaussian, with a
    random covariance `S_ab`. Every tensor holds the widths: it is the number that a finite network has, with relative error
    O(1/width), and no power of the width has been taken out.
    """

    kernel: Matrix
    """`K`, the covariance of an output at infinite width."""
    kernel_correction: Matrix
    """`G`: `E[S_ab] = K_ab + G_ab + O(1/width^2)`."""
    vertex: Tensor
    """`V_abcd`: `Cov[S_ab, S_cd]` to first order."""

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
        return relative_variance(self.vertex, self.kernel)

    @property
    @own_precision
    def mean_kernel(self) -> Matrix:
        """`K + G`, the mean covariance of an output to first order."""
        return self.kernel + self.kernel_correction


def kernel_fluctuations(network: nn.Layer, x: ArrayLike) -> KernelFluctuations:
    """The covariance of a random finite network's outputs to first order in 1/width, of convolutional networks too.

    The width of a convolution is its number of channels. Given the layers before, channels are independent, and each is
    Gaussian over all inputs and positions together, so that a unit of a convolutional network is what an input is of a fully
    connected one (Yaida 2020), and the convolution itself averages second moments over its window (Novak et al. 2019), linearly.
    The relative variance of an output then falls with the number of channels, and with the positions that it averages over
    as far as they are uncorrelated.

    Differentiable with respect to hyper-parameters and inputs, under `jax.jit` too; in the precision of the inputs.

    **Arguments:** `network`, `nn.Dense`, `nn.Conv` and `nn.Linear` with at most one activation between each two,
    `nn.AvgPool`, `nn.SumPool`, `nn.GlobalAvgPool`, `nn.GlobalSumPool`, `nn.Flatten` (`nn.Sequential`, `nn.Repeat`,
    `nn.Identity` and `nn.Scale` too), with outputs without positions; `x`, inputs `(n, *positions, d)`, a few of them.

    **Returns:** `KernelFluctuations` of the last layer.

    **Raises:** `NotImplementedError` for layers without a rule (residual blocks, normalization, ...) and nonlinearities that
    jump; `ValueError` where an activation acts on too many inputs times positions (64, or 16 for nonlinearities that have kinks
    and are not linear on both sides of zero), as the cost grows with their fourth power; `ValueError` or `TypeError`
    for bad inputs.
    """
    reading = read_inputs(network, x)
    _check_units(reading)
    with inputs_precision(network, reading.x):
        return _last(reading.first, reading.first_reads, typed_steps(reading), reading.before, reading.x)


def _check_units(reading: Reading) -> None:
    inputs = len(reading.x)
    for step in reading.steps:
        most = most_units(step.activation)
        if inputs * step.positions > most:
            fewer = f"at most {most // step.positions} inputs at a time" if step.positions <= most else "smaller images"
            raise ValueError(
                f"{step.activation!r} acts on {inputs} inputs times {step.positions} positions, {inputs * step.positions} units; "
                f"their moments by fours are affordable for {most} units. Take {fewer}, a larger stride, or pooling before it"
            )


@jax.jit
def _last(
    first: Scales,
    reads: tuple[PositionMap, ...],
    steps: tuple[HiddenStep, ...],
    pools: tuple[PositionMap, ...],
    x: Float[Array, "n *positions d"],
) -> KernelFluctuations:
    state = over_positions(pools, run(next_kernel, steps, first_kernel(first, reads, x)))
    return KernelFluctuations(state.kernel, state.kernel_correction, state.vertex)


def relative_variance(covariance: Tensor, mean: Matrix) -> Float[Array, "*layers n"]:
    """The variance of diagonal entries over their mean's square; zero where the mean is."""
    variance = jnp.einsum("...aaaa->...a", covariance)
    square = jnp.einsum("...aa->...a", mean) ** 2
    return jnp.where(square > 0, variance / jnp.where(square > 0, square, 1.0), 0.0)
