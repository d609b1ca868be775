"""Ordinary differential equations as layers."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits.nn.context import Context, surrounded, surroundings
from nnlimits.nn.errors import located
from nnlimits.nn.fields import as_integer, as_static_real, choice_field, flag_field, integer_field
from nnlimits.nn.identity import Identity
from nnlimits.nn.layer import Layer
from nnlimits.nn.members import as_member
from nnlimits.nn.merge import Sum
from nnlimits.nn.ode_failure import found_or_raise
from nnlimits.nn.ode_solver import ADJOINTS, IMPLICIT, SOLVERS, Method, Path, integrate
from nnlimits.nn.parallel import placed_side_by_side
from nnlimits.nn.parameterization import Parameterization
from nnlimits.nn.reports import report, reporting


class NeuralODE(Layer):
    """`x(end)` of `dx/ds = field(x)` from `x(start)`, the input: a residual network of infinite depth (E 2017; Chen et al. 2018).

    It is the limit of `nn.Repeat(nn.Residual(...), L)` with branches `field / L` and the same parameters in all blocks. With
    `augment` the paths run in more dimensions than the input has, where they need not avoid each other (Dupont, Doucet &
    Teh 2019): zeros are appended to the channels of the input, and the output keeps them. With `time_dependent` the field
    sees one more channel, which holds s at every position, so that its weights change along the path like biases that are
    affine in s. The parameters are those of the field.

    **Arguments:**

    - `field`: a layer that keeps the shape of its input (and of its augmented channels; not of the channel of s).
    - `time_dependent`, `augment`: as above; `span`: the interval of s, as (start, end) with start < end.
    - `solver`: "euler", "heun", "midpoint", "ralston", "bosh3", "tsit5", "dopri5", "dopri8", or, for stiff equations, the
      implicit "implicit_euler", "kvaerno3", "kvaerno4", "kvaerno5" (Kidger 2022, chapter 5). The implicit ones solve each
      example by itself, with the Jacobian of its field; the explicit ones take common steps for all examples.
    - `steps`: the number of equal steps; `None` for steps whose error is within the tolerances in every example ("euler" has no
      estimate of its error, so it needs `steps`).
    - `rtol`, `atol`: relative and absolute tolerance of a step (`None`: 1e-5 in float32, 1e-8 in float64); with `steps`, of the
      equations that implicit solvers solve in a step.
    - `max_steps`: how many steps an adaptive solver may take or try.
    - `adjoint`: how reverse-mode derivatives are found. "recursive_checkpoint" differentiates the steps themselves, and stores
      some of the states only (`checkpoints` of them; `None`: about `sqrt(2 max_steps)`); "direct" does so in a way that
      serves forward-mode derivatives too, as `linearize` and tangent kernels need; "backsolve" solves the adjoint equation
      backwards, in constant memory, to the tolerance of the solver (Chen et al. 2018, section 2).
    - `checkpoints`: as above.

    Derivatives in float64 are to be taken within `jax.enable_x64(True)`, as the solver is differentiated when they are.

    Its reports have "steps", "accepted" and "rejected" and, of explicit solvers, "evaluations" of the field; of implicit ones
    the largest of all examples. Random keys (for dropout) are the same along the whole path.

    **Raises:** `SolveError` where the solution is not found, with what stopped the solver: stiffness, a field that is not
    finite, too few steps. Under `jit` the error is that of `equinox.error_if`, and shorter.
    """

    field: Layer = eqx.field(converter=lambda value: as_member("NeuralODE's field", value))
    time_dependent: bool = flag_field("time_dependent", False)
    augment: int = integer_field("augment", 0, 0)
    span: tuple[float, float] = eqx.field(default=(0.0, 1.0), static=True, converter=lambda value: _as_span(value))
    solver: str = choice_field("solver", SOLVERS, "tsit5")
    steps: int | None = eqx.field(default=None, static=True, converter=lambda value: _as_count("steps", value))
    rtol: float | None = eqx.field(default=None, static=True, converter=lambda value: _as_tolerance("rtol", value))
    atol: float | None = eqx.field(default=None, static=True, converter=lambda value: _as_tolerance("atol", value))
    max_steps: int = integer_field("max_steps", 1, 4096)
    adjoint: str = choice_field("adjoint", ADJOINTS, "recursive_checkpoint")
    checkpoints: int | None = eqx.field(
        default=None, static=True, converter=lambda value: _as_count("checkpoints", value)
    )

    def __check_init__(self) -> None:
        if self.solver == "euler" and self.steps is None:
            raise ValueError(
                "solver='euler' does not estimate its error, so it cannot choose its steps; give their number, such as "
                "steps=100, or take an adaptive solver, such as solver='tsit5'"
            )
        if self.checkpoints is not None and self.adjoint != "recursive_checkpoint":
            raise ValueError(
                f"checkpoints={self.checkpoints} belongs to adjoint='recursive_checkpoint'; received adjoint={self.adjoint!r}"
            )

        for name, value in (("rtol", self.rtol), ("atol", self.atol)):
            if value is not None and self.steps is not None and self.solver not in IMPLICIT:
                raise ValueError(
                    f"{name}={value:g} belongs to steps=None, where the solver chooses its steps; received steps={self.steps}"
                )

    def method(self) -> Method:
        """How the equation is solved."""
        return Method(self.solver, self.steps, self.rtol, self.atol, self.max_steps, self.adjoint, self.checkpoints)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        if not input_shape:
            raise self._shape_error("expects channels along the last axis; it received ().")
        shape = (*input_shape[:-1], input_shape[-1] + self.augment)
        with located("in the field of NeuralODE"):
            slope = self.field.output_shape(self._seen(shape))
        if slope != shape:
            augmented = f", {self.augment} of them added by augment" if self.augment else ""
            time = f" from {self._seen(shape)}, the last channel being s" if self.time_dependent else ""
            raise self._shape_error(
                f"needs a field that makes the shape of its states, {shape}{augmented}; it makes {slope}{time}."
            )
        return shape

    def initialize(
        self, key: PRNGKeyArray, input_shape: tuple[int, ...], parameterization: Parameterization, dtype: Any
    ) -> PyTree:
        """Draw the parameters of the field."""
        ((field, own),) = self.placed(parameterization)
        return field.initialize(key, self._seen(self.output_shape(input_shape)), own, dtype)

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> Float[Array, "n ..."]:
        x = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, self.augment)])
        return self._flow(params, x, key, parameterization, *self.span)

    def inverse(
        self, params: PyTree, y: Float[Array, "n ..."], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "n ..."]:
        """The inputs of which `y` are the outputs: the equation solved backwards, for a layer that is a network of its own.

        **Arguments:** as of `apply`; `y` of shape (n, *output_shape).

        **Returns:** states at the start, of the shape of `y`: the inputs, and after them the channels added by `augment`, which
        are zero, up to the solver's error, if `y` are outputs.

        **Raises:** as `apply`.
        """
        backward = _Backward(dataclasses.replace(self, augment=0))
        return backward.apply(params, y, key=key)

    def keeps_width(self) -> bool:
        return True

    def placed(self, parameterization: Parameterization) -> tuple[tuple[Layer, Parameterization], ...]:
        """The field, where the body of a `Residual` would be."""
        return placed_side_by_side((self.field, Identity()), Sum(), parameterization)[:1]

    def makes_width(self, parameterization: Parameterization) -> bool:
        return parameterization.wide_input

    def _seen(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape that the field sees of states of `shape`."""
        return (*shape[:-1], shape[-1] + self.time_dependent)

    def _flow(
        self,
        params: PyTree,
        x: Float[Array, "n ..."],
        key: PRNGKeyArray | None,
        parameterization: Parameterization,
        start: float,
        stop: float,
    ) -> Float[Array, "n ..."]:
        slope, args = self.slope(params, key, parameterization)
        with located("in the field of NeuralODE"):
            if self.solver in IMPLICIT:
                path = _each_by_itself(self.method(), slope, x, args, start, stop)
            else:
                path = integrate(self.method(), slope, x, args, start, stop)
        report(self, {name: jnp.max(values) for name, values in path.statistics.items()})
        return found_or_raise(self.method(), slope, x, args, path, start, stop)

    def slope(
        self, params: PyTree, key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> tuple["Slope", "Arguments"]:
        """The right-hand side `slope(s, x, args)` of the equation, and its `args`; `parameterization` is that of the layer."""
        ((field, own),) = self.placed(parameterization)
        around = surroundings()
        known = dataclasses.replace(around, mask=None, adjacency=None, looped=True)
        leaves, structure = jax.tree.flatten(params)
        arrays = list(map(jnp.asarray, leaves))
        return Slope(field, self.time_dependent, own, known, structure), (arrays, key, around.mask, around.adjacency)


Arguments = tuple[list[Array], PRNGKeyArray | None, Any, Any]
"""Parameters, random key, mask and adjacency: all arrays of which a slope is a function.

The parameters are a list of leaves, because diffrax does not take a state with an empty tuple in it backwards, and that is what
a layer without parameters has.
"""


class Slope(eqx.Module):
    """The field of a `NeuralODE` as a function of time, states and arrays."""

    field: Layer
    time_dependent: bool = eqx.field(static=True)
    parameterization: Parameterization = eqx.field(static=True)
    around: Context = eqx.field(static=True)
    structure: Any = eqx.field(static=True)

    def __call__(self, s: Float[Array, ""], x: Float[Array, "n ..."], args: Arguments) -> Float[Array, "n ..."]:
        leaves, key, mask, adjacency = args
        if self.time_dependent:
            time = jnp.broadcast_to(jnp.asarray(s, x.dtype), (*x.shape[:-1], 1))
            x = jnp.concatenate([x, time], -1)
        known = {field.name: getattr(self.around, field.name) for field in dataclasses.fields(self.around)}
        with (
            surrounded(**{**known, "mask": mask, "adjacency": adjacency}),
            reporting(),
        ):  # nobody hears of what steps solve
            return self.field.forward(jax.tree.unflatten(self.structure, leaves), x, key, self.parameterization)


class _Backward(Layer):
    """A `NeuralODE` from the end of its span to the start."""

    ode: NeuralODE

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return self.ode.output_shape(input_shape)

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> Float[Array, "n ..."]:
        start, stop = self.ode.span
        return self.ode._flow(params, x, key, parameterization, stop, start)


def _each_by_itself(method: Method, slope: Slope, x: Array, args: Arguments, start: float, stop: float) -> Path:
    """Every example with steps of its own; an implicit step of all at once would need the Jacobian of all by all."""
    leaves, key, mask, adjacency = args
    keys = None if key is None else jax.random.split(key, x.shape[0])

    def one(x: Array, key: Any, mask: Any, adjacency: Any) -> Path:
        mask, adjacency = (None if array is None else array[None] for array in (mask, adjacency))
        path = integrate(method, slope, x[None], (leaves, key, mask, adjacency), start, stop)
        return path._replace(y=path.y[0])

    return jax.vmap(one)(x, keys, mask, adjacency)


def _as_span(value: Any) -> tuple[float, float]:
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise TypeError(f"span must be a pair (start, end) such as (0.0, 1.0); received {value!r}")
    start, end = (as_static_real(f"span[{i}]", number) for i, number in enumerate(value))
    if not start < end:
        raise ValueError(
            f"span must run from a start to a later end, such as (0.0, 1.0); received {(start, end)}. "
            "For the way back from outputs to inputs, see inverse."
        )
    return start, end


def _as_count(name: str, value: Any) -> int | None:
    return None if value is None else as_integer(name, 1, value)


def _as_tolerance(name: str, value: Any) -> float | None:
    if value is None:
        return None
    number = as_static_real(name, value)
    if number <= 0:
        raise ValueError(f"{name} must be above 0, or None for what suits the dtype; received {number}")
    return number
