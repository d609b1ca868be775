"""Infinitely wide networks trained by gradient flow on squared error."""

from typing import Any

from jax.typing import ArrayLike
from jaxtyping import Array, Float

from nnlimits.predict.ensemble import Ensemble, ensemble_fields
from nnlimits.predict.gains import flow_gain


class GradientFlow(Ensemble):
    """An ensemble of infinitely wide networks under gradient flow; made by `gradient_flow`."""

    @staticmethod
    def gain(eigenvalues: Float[Array, "*shape"], *parameters: Any) -> Float[Array, "*shape"]:
        """`(1 - exp(-eigenvalues s)) / eigenvalues`, at rescaled time `s`."""
        return flow_gain(eigenvalues, *parameters)

    def gain_parameters(self, t: Any) -> tuple[Any, ...]:
        """The rescaled time, `learning_rate t / N`."""
        return (t * self.learning_rate / self.data.y.size,)


def gradient_flow(
    kernel: Any,
    x: ArrayLike,
    y: ArrayLike,
    *,
    f0: ArrayLike | None = None,
    learning_rate: ArrayLike = 1.0,
    train: str = "all",
    ridge: ArrayLike = 0.0,
) -> GradientFlow:
    """Train infinitely wide networks on squared error by gradient flow, `d params / dt = -learning_rate grad L`.

    The loss `L` is half the mean over all `N = y.size` entries of `(f - y)^2`, so that `1 - exp(-learning_rate Theta t
    / N)` of the targets is learned by time `t` (Jacot et al. 2018; Lee et al. 2019).

    **Arguments:**

    - `kernel`: `nnlimits.kernel(net)`, or any value with its methods.
    - `x`: inputs `(n, d)`; `y`: targets `(n,)` or `(n, outputs)`, of one dtype.
    - `f0`: outputs before training at `x`, in the shape of `y`, to follow one network instead of the ensemble.
    - `train`: `"all"` parameters, or the `"last_layer"` alone, whose kernel is the NNGP's.
    - `ridge`: added to the diagonal of the kernel trained with, relative to the mean of that diagonal. With
      `train="all"` it is a penalty `ridge |params - initial params|^2 / 2N` in the loss, and the covariance is that of
      networks so trained on the given targets. With `train="last_layer"` it is read as observation noise: each network
      of the ensemble also has noise of that variance on its own targets, so that at infinite time the ensemble is the
      Bayesian posterior (Matthews et al. 2017, "sample-then-optimize").

    **Raises:** `ValueError` or `TypeError` for bad data or a negative `learning_rate` or `ridge`;
    `numpy.linalg.LinAlgError` (a `ValueError`) if the kernel cannot be solved with. A jitter, where one is needed, is
    announced by a warning.
    """
    return GradientFlow(**ensemble_fields(kernel, x, y, f0, learning_rate, ridge, train))
