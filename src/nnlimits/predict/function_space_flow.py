"""Infinitely wide networks trained by gradient flow on any loss: a differential equation in function space."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from nnlimits.predict.losses import Loss, as_loss, class_targets, cross_entropy
from nnlimits.predict.times import along_time, check_times
from nnlimits.predict.training_set import TrainingSet, training_set
from nnlimits.predict.trajectory import Trajectory, check_train
from nnlimits.predict.working_precision import Real, as_scalar, double_precision_for, evaluate, known, restored
from nnlimits.validation import check_inputs, check_positive, is_traced


class FunctionSpaceFlow(Trajectory):
    """The function of an infinitely wide network under gradient flow on a loss; made by `function_space_flow`.

    Each call integrates from time zero to the latest time asked for: ask for several times at once.
    """

    targets: Any
    learning_rate: Any
    loss: Loss = eqx.field(static=True)
    solver: Any = eqx.field(static=True)
    tolerance: float = eqx.field(static=True)
    max_steps: int = eqx.field(static=True)

    def weights(self, t: ArrayLike) -> tuple[Real, bool]:
        """Weights `(times, n, o)`: `-learning_rate` times the integral of the loss's gradient, in working precision.

        **Raises:** `ValueError` for an infinite time; `RuntimeError` if `max_steps` do not reach the time.
        """
        times, single = check_times(t)
        if not is_traced(times) and np.isinf(times).any():
            raise ValueError(
                "function_space_flow integrates to finite times; received t=inf (for squared error, gradient_flow has "
                "the limit)"
            )
        f0 = np.zeros(self.data.y.shape, self.data.dtype) if self.f0 is None else self.f0
        arguments = (self.theta, f0, self.targets, times, self.learning_rate)
        if is_traced(
            arguments, jnp.zeros(())
        ):  # the latter: known values in a user's jit, where diffrax cannot run at once
            theta = jnp.asarray(self.theta)
            return self._integrate(theta, *(_as_precise_as(theta, a) for a in arguments[1:]), throw=True)[0], single
        with jax.enable_x64(True):
            weights, solved = _integrate_compiled(self, *(_double(a) for a in arguments))
            if not solved:
                raise RuntimeError(
                    f"{self.max_steps} steps of the solver did not reach time {times.max():g}: the problem is stiff or "
                    "the time long; give a larger max_steps or tolerance, or a solver such as diffrax.Kvaerno5()"
                )
            return np.asarray(weights), single

    def train_loss(self, t: ArrayLike) -> Float[Array, "*t"]:
        """The training loss at time `t`."""
        outputs, single = self._at_training_inputs(t)
        with double_precision_for(None if is_traced(outputs, self.targets) else np.float64):
            losses = jax.vmap(lambda f: self._loss(f, jnp.asarray(self.targets)))(jnp.asarray(outputs))
        return restored(along_time(losses, single), self.data.dtype)

    def _loss(self, outputs: Float[Array, "n o"], targets: Array) -> Float[Array, ""]:
        return self.loss(outputs[:, 0] if self.data.vector else outputs, targets)

    def _integrate(self, theta: Array, f0: Array, targets: Array, times: Array, rate: Array, *, throw: bool) -> Any:
        """Weights at `times`, and whether the solver got there.

        The state is `N` times the weights, whose entries are of order one like the outputs', `N` being their number.
        """
        import diffrax

        def slope(_: Any, state: Array, __: Any) -> Array:
            return -rate * f0.size * jax.grad(self._loss)(f0 + theta @ state / f0.size, targets)

        order = jnp.argsort(times)
        tolerance = max(self.tolerance, 10 * float(jnp.finfo(theta.dtype).eps))
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(slope),
            diffrax.Tsit5() if self.solver is None else self.solver,
            t0=0.0,
            t1=times[order[-1]],
            dt0=None,
            y0=jnp.zeros_like(f0),
            saveat=diffrax.SaveAt(ts=times[order]),
            stepsize_controller=diffrax.PIDController(rtol=tolerance, atol=tolerance),
            max_steps=self.max_steps,
            throw=throw,
        )
        weights = jnp.asarray(solution.ys)[jnp.argsort(order)] / f0.size
        return weights, solution.result == diffrax.RESULTS.successful


def function_space_flow(
    kernel: Any,
    x: ArrayLike,
    y: ArrayLike,
    *,
    loss: Any = "mse",
    f0: ArrayLike | None = None,
    learning_rate: ArrayLike = 1.0,
    train: str = "all",
    solver: Any = None,
    tolerance: float = 1e-6,
    max_steps: int = 100_000,
) -> FunctionSpaceFlow:
    """Train an infinitely wide network on any loss by gradient flow.

    The network's kernel `Theta` stays constant, so its outputs obey (Jacot et al. 2018; Lee et al. 2019, section 2.2)

        d f(X) / dt = -learning_rate Theta(X, X) grad L(f(X)),     d f(x) / dt = -learning_rate Theta(x, X) grad L(f(X))

    **Arguments:**

    - `kernel`, `x`, `learning_rate`, `train`: as in `gradient_flow`.
    - `y`: what the loss takes. For `"cross_entropy"`, class labels `0, 1, ...` of shape `(n,)`, or one-hot rows.
    - `loss`: `"mse"` (half the mean over all entries of the squared error), `"cross_entropy"` (the mean over
      examples), or a differentiable function of outputs and targets to a scalar.
    - `f0`: outputs before training; zero, the mean over initializations, if absent. It also says how many outputs
      there are; else the targets do.
    - `solver`: a diffrax solver (`Tsit5` if absent); `tolerance`: relative and absolute, of its steps; `max_steps`:
      how many of them at most. An explicit solver takes about `learning_rate t lambda_max(Theta) |grad^2 L| / 3` steps.

    **Raises:** `ValueError` or `TypeError` for bad data, an unknown loss, or a loss that does not take such targets.
    """
    function = as_loss(loss)
    data, targets = _targets(x, y, function, f0)
    check_train(train)
    rate = as_scalar("learning_rate", learning_rate)
    check_positive("learning_rate", rate)
    check_positive("tolerance", tolerance)
    return FunctionSpaceFlow(
        kernel=kernel,
        data=data,
        theta=evaluate(kernel.ntk if train == "all" else kernel.nngp, data.x),
        f0=None if f0 is None else data.given_outputs("f0", f0, len(data.x)),
        trained=train,
        targets=targets,
        learning_rate=rate,
        loss=function,
        solver=solver,
        tolerance=float(tolerance),
        max_steps=int(max_steps),
    )


def _targets(x: ArrayLike, y: ArrayLike, loss: Loss, f0: ArrayLike | None) -> tuple[TrainingSet, Any]:
    """The training set, whose `y` has the shape of the outputs, and the targets as the loss takes them."""
    inputs = check_inputs("x", x, rank=max(2, np.ndim(x)))
    targets: Any = known(class_targets(y, inputs.dtype) if loss is cross_entropy else y)
    data = training_set(inputs, targets)
    if f0 is not None and np.shape(f0) != targets.shape:
        data = training_set(inputs, np.zeros(np.shape(f0), inputs.dtype))
    return data, targets


@eqx.filter_jit
def _integrate_compiled(flow: FunctionSpaceFlow, *arguments: Array) -> Any:
    return flow._integrate(*arguments, throw=False)


def _double(array: Any) -> Array:
    array = np.asarray(array)
    return jnp.asarray(array.astype(np.float64) if array.dtype.kind == "f" else array)


def _as_precise_as(theta: Array, array: Any) -> Array:
    array = jnp.asarray(array)
    return array.astype(theta.dtype) if jnp.issubdtype(array.dtype, jnp.floating) else array
