"""The function of a network through training, when its kernel stays constant."""

import abc
import math
from typing import Any

import equinox as eqx
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from nnlimits.predict.times import along_time
from nnlimits.predict.training_set import TrainingSet
from nnlimits.predict.working_precision import Real, evaluate, hash_of_structure, joined, row_blocks

TRAIN = ("all", "last_layer")


class Trajectory(eqx.Module):
    """A function that moves within the span of its kernel: `f_t(x) = f_0(x) + Theta(x, X) weights_t`.

    `trained` says which kernel: `"all"` parameters, the NTK, or the `"last_layer"` alone, the NNGP kernel. The
    function starts from `f0` on the training inputs: zero, the mean of an ensemble, unless outputs of one network
    before training were given.
    """

    kernel: Any
    data: TrainingSet
    theta: Real
    f0: Real | None
    trained: str = eqx.field(static=True)

    def __hash__(self) -> int:
        return hash_of_structure(self)

    @abc.abstractmethod
    def weights(self, t: ArrayLike) -> tuple[Real, bool]:
        """Weights `(times, n, o)` in working precision, and whether `t` was a single time."""

    def mean(self, x: ArrayLike, t: ArrayLike = math.inf, *, f0_test: ArrayLike | None = None) -> Float[Array, "..."]:
        """The function at inputs `x` of shape `(m, d)` and time `t` (a number or a vector); for an ensemble, its mean.

        **Arguments:** `f0_test`, for one network whose outputs before training were given as `f0`: those at `x`.

        **Raises:** `ValueError` for inputs unlike the training inputs, a negative time, or `f0_test` given without `f0`
        or missing with it.
        """
        inputs = self.data.check_query(x)
        initial = self._initial_test(f0_test, len(inputs))
        weights, single = self.weights(t)
        blocks = [_over_times(self.theta_between(rows), weights) for rows in row_blocks(inputs, len(self.data.x))]
        return self.data.shaped(along_time(joined(blocks).transpose(1, 0, 2) + initial, single))

    def train(self, t: ArrayLike = math.inf) -> Float[Array, "..."]:
        """The function at the training inputs; for an ensemble, its mean."""
        outputs, single = self._at_training_inputs(t)
        return self.data.shaped(along_time(outputs, single))

    def theta_between(self, x: Real) -> Real:
        """The training kernel between inputs `x` and the training inputs, in working precision."""
        return evaluate(self.kernel.ntk if self.trained == "all" else self.kernel.nngp, x, self.data.x)

    def _at_training_inputs(self, t: ArrayLike) -> tuple[Real, bool]:
        weights, single = self.weights(t)
        learned = _over_times(self.theta, weights).transpose(1, 0, 2)
        return (learned if self.f0 is None else learned + self.f0), single

    def _initial_test(self, f0_test: ArrayLike | None, m: int) -> Any:
        if self.f0 is None and f0_test is None:
            return 0
        if self.f0 is None:
            raise ValueError(
                "f0_test was given, but the training was set up without f0, the outputs at the training inputs"
            )
        if f0_test is None:
            raise ValueError(
                "f0, outputs before training, was given at the training inputs: f0_test must give them at x"
            )
        return self.data.given_outputs("f0_test", f0_test, m)


def check_train(train: str) -> None:
    """Raise `ValueError` unless `train` is one of `TRAIN`."""
    if train not in TRAIN:
        raise ValueError(f'train must be "all" (the NTK) or "last_layer" (the NNGP kernel); received {train!r}')


def _over_times(cross: Any, weights: Any) -> Any:
    """`(m, n)` times `(times, n, o)`, as one product: `(m, times, o)`."""
    times, n, outputs = weights.shape
    return (cross @ weights.transpose(1, 0, 2).reshape(n, times * outputs)).reshape(len(cross), times, outputs)
