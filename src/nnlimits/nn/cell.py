"""The cell of an equilibrium network: the map of a state and an input whose fixed point is the output."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits.nn.activation import Activation
from nnlimits.nn.affine import Affine
from nnlimits.nn.constraints import Constraint, Monotone, NormBound, as_constraint
from nnlimits.nn.context import surrounded, surroundings
from nnlimits.nn.errors import ShapeError, located
from nnlimits.nn.identity import Identity
from nnlimits.nn.layer import Layer
from nnlimits.nn.members import as_member
from nnlimits.nn.operator_norm import norm_bound
from nnlimits.nn.parameterization import Parameterization
from nnlimits.nn.reports import reporting
from nnlimits.nn.scale import Scale
from nnlimits.nn.sequential import Sequential
from nnlimits.nn.slopes import slopes
from nnlimits.nn.tanh import Tanh
from nnlimits.nn.word import Word
from nnlimits.validation import is_traced

Members = tuple[tuple[Layer, Parameterization], tuple[Layer, Parameterization]]
"""The recurrent layer and the injection, each with the parameterization at its place."""


class Given(NamedTuple):
    """What a cell's map of the state depends on besides the state; fixed while the equation is solved."""

    recurrent: PyTree
    scale: Float[Array, ""] | None
    drive: Float[Array, "n ..."]
    key: PRNGKeyArray | None
    mask: Array | None
    adjacency: Array | None


class Cell(Word):
    """The map `z -> activation(recurrent(z) + injection(x))` of a state z and an input x (Bai, Kolter & Koltun 2019).

    It is not a layer, as it has two inputs; `nn.Equilibrium(cell)` is. The parameters are `{"recurrent": ..., "injection": ...}`,
    those of its layers; under `nn.Monotone`, whose `recurrent` are `{"A": ..., "B": ...}`.

    **Arguments:** `recurrent`, a layer that keeps the shape of the state; `injection`, a layer from the shape of the input to
    that of the state; `activation`, an activation or `nn.Identity()`; `constraint`, `nn.NormBound()` or `nn.Monotone()`, under
    which there is one fixed point for every input, or `None`: there may be one, several or none.

    **Raises:** `ValueError` if the constraint needs another recurrent layer or activation.
    """

    recurrent: Layer
    injection: Layer
    activation: Layer = Tanh()
    constraint: Constraint | None = eqx.field(default=None, converter=as_constraint)

    def __init__(self, recurrent: Any, injection: Any, activation: Any = Tanh(), constraint: Any = None) -> None:
        self.recurrent = as_member("Cell's recurrent layer", recurrent)
        self.injection = as_member("Cell's injection", injection)
        if not isinstance(activation, Activation | Identity):
            raise TypeError(
                f"activation must be an activation of nnlimits.nn, such as nn.Tanh(); received {activation!r}"
            )
        self.activation = activation
        self.constraint = as_constraint(constraint)
        if self.constraint is not None:
            _check_constraint(self, self.constraint)

    def state_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the state, for an input of `input_shape` (no batch axis).

        **Raises:** `ShapeError` if the layers do not fit.
        """
        with located("in the injection of Cell"):
            state = self.injection.output_shape(input_shape)
        with located("in the recurrent layer of Cell"):
            recurrent = self.recurrent.output_shape(state)
        if recurrent != state:
            raise ShapeError(
                "Cell",
                f"has a state of the shape of its injection's output, {state}, which its recurrent layer maps to {recurrent}. "
                "Make them equal, e.g. by layers of one width.",
            )
        return state

    def placed(self, parameterization: Parameterization) -> Members:
        """Its layers at their places in a network: the state's channels are those of the injection and of the recurrent map."""
        wide_output = parameterization.wide_output and (parameterization.wide_input or not self.injection.keeps_width())
        at_injection = parameterization.at(parameterization.wide_input, wide_output)
        wide_state = self.injection.makes_width(at_injection)
        return (self.recurrent, parameterization.at(wide_state, wide_state)), (self.injection, at_injection)

    def initialize(
        self, key: PRNGKeyArray, input_shape: tuple[int, ...], parameterization: Parameterization, dtype: Any
    ) -> PyTree:
        """Draw the parameters of both layers."""
        state = self.state_shape(input_shape)
        recurrent_key, injection_key = jax.random.split(key)
        (recurrent, at_recurrent), (injection, at_injection) = self.placed(parameterization)
        if isinstance(self.constraint, Monotone):
            keys = dict(zip("AB", jax.random.split(recurrent_key), strict=True))
            drawn = {name: recurrent.initialize(one, state, at_recurrent, dtype) for name, one in keys.items()}
        else:
            drawn = recurrent.initialize(recurrent_key, state, at_recurrent, dtype)
        return {
            "recurrent": drawn,
            "injection": injection.initialize(injection_key, input_shape, at_injection, dtype),
        }

    def at(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> tuple["Transition", Given]:
        """The map of the state alone at the inputs `x`, as a function of the state and of what it is given."""
        recurrent_key, injection_key = (None, None) if key is None else jax.random.split(key)
        (_, at_recurrent), (injection, at_injection) = self.placed(parameterization)
        with located("in the injection of Cell"):
            drive = injection.forward(params["injection"], x, injection_key, at_injection)
        scale = None
        if isinstance(self.constraint, NormBound):
            norm = self.recurrent_norm(params, drive.shape[1:], parameterization, drive.dtype)
            lipschitz = slopes(self.activation).lipschitz  # pyright: ignore[reportOptionalMemberAccess]
            most = self.constraint.bound / lipschitz
            scale = jnp.where(norm > most, most / jnp.where(norm > 0, norm, 1.0), 1.0)
        context = surroundings()
        transition = Transition(self, at_recurrent, context.positions, context.nodes)
        recurrent = params["recurrent"]
        if isinstance(self.constraint, Monotone) and drive.ndim == 2:
            recurrent = transition.monotone_matrix(recurrent, drive)
        given = Given(recurrent, scale, drive, recurrent_key, context.mask, context.adjacency)
        return transition, given

    def contraction_bound(
        self, params: PyTree, state_shape: tuple[int, ...], parameterization: Parameterization, dtype: Any
    ) -> Float[Array, ""]:
        """A Lipschitz constant of the map of the state, from the recurrent layer's spectral norm; infinite if none is known."""
        bounds = slopes(self.activation)
        if bounds is None or not _is_affine(self.recurrent) or isinstance(self.constraint, Monotone):
            return jnp.full((), jnp.inf, dtype)
        try:
            norm = self.recurrent_norm(params, state_shape, parameterization, dtype)
        except NotImplementedError:
            return jnp.full((), jnp.inf, dtype)
        factor = norm * bounds.lipschitz
        return jnp.minimum(factor, self.constraint.bound) if isinstance(self.constraint, NormBound) else factor

    def recurrent_norm(
        self, params: PyTree, state_shape: tuple[int, ...], parameterization: Parameterization, dtype: Any
    ) -> Float[Array, ""]:
        """An upper bound of the spectral norm of the recurrent layer, before any constraint."""
        at_recurrent = self.placed(parameterization)[0][1]
        return norm_bound(self.recurrent, params["recurrent"], state_shape, at_recurrent, dtype)


class Transition(eqx.Module):
    """The map of the state of a cell. Equal for equal cells, so that what is compiled for one serves all."""

    cell: Cell
    parameterization: Parameterization = eqx.field(static=True)
    positions: tuple[int, ...] | None = eqx.field(static=True)
    nodes: int | None = eqx.field(static=True)

    def __call__(self, state: Float[Array, "n ..."], given: Given) -> Float[Array, "n ..."]:
        """The next state; the recurrent layer sees the mask and the graph round the cell, and its reports are not heard."""
        context = surrounded(
            positions=self.positions, nodes=self.nodes, mask=given.mask, adjacency=given.adjacency, looped=True
        )
        with context, reporting(), located("in the recurrent layer of Cell"):
            recurrent = self._recurrent(state, given)
        return self.cell.activation.forward((), recurrent + given.drive, None, self.parameterization)

    def monotone_matrix(self, params: PyTree, drive: Float[Array, "n d"]) -> Float[Array, "d d"]:
        """The recurrent map on flat states, formed once, so that a step is one product instead of four."""
        return self._monotone(params, jnp.eye(drive.shape[1], dtype=drive.dtype))

    def _recurrent(self, state: Array, given: Given) -> Array:
        if isinstance(self.cell.constraint, Monotone):
            return state @ given.recurrent if state.ndim == 2 else self._monotone(given.recurrent, state)
        layer = self._layer(given.recurrent, given.key)
        output = layer(state)
        if given.scale is None:
            return output
        if not _has_bias(self.cell.recurrent):
            return given.scale * output
        return given.scale * output + (1 - given.scale) * layer(jnp.zeros((1, *state.shape[1:]), state.dtype))

    def _layer(self, params: PyTree, key: PRNGKeyArray | None) -> Callable[[Array], Array]:
        return lambda z: self.cell.recurrent.forward(params, z, key, self.parameterization)

    def _monotone(self, params: PyTree, state: Array) -> Array:
        """`((1 - margin) I - A^T A + B - B^T) z`."""
        a, b = self._layer(params["A"], None), self._layer(params["B"], None)
        (gram,) = jax.linear_transpose(a, state)(a(state))
        (transposed,) = jax.linear_transpose(b, state)(state)
        margin = self.cell.constraint.margin  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess]
        return (1 - margin) * state - gram + b(state) - transposed


def _check_constraint(cell: Cell, constraint: Constraint) -> None:
    """Raise `ValueError` unless the constraint ensures one fixed point of such a cell."""
    if not _is_affine(cell.recurrent):
        raise ValueError(
            f"{constraint!r} needs a linear recurrent layer, such as nn.Dense, nn.Conv or nn.Linear; received {cell.recurrent!r}"
        )
    bounds = slopes(cell.activation)
    if bounds is None:
        raise ValueError(
            f"{constraint!r} needs an activation whose slopes are known to be bounded, such as nn.Tanh() or nn.Relu(); received "
            f"{cell.activation!r}"
        )
    if isinstance(constraint, Monotone):
        if not is_traced(bounds) and not (bounds.lowest >= 0 and bounds.highest <= 1):
            raise ValueError(
                f"{constraint!r} needs an activation with slopes in [0, 1], a proximal operator such as nn.Tanh() or nn.Relu(); "
                f"those of {cell.activation!r} are in [{bounds.lowest:.4g}, {bounds.highest:.4g}]"
            )
        if _has_bias(cell.recurrent):
            raise ValueError(
                f"{constraint!r} needs a recurrent layer without a bias, which the injection has; give {cell.recurrent!r} "
                "b_std=None"
            )


def _is_affine(layer: Layer) -> bool:
    if isinstance(layer, Sequential):
        return all(map(_is_affine, layer.layers))
    return isinstance(layer, Affine | Identity | Scale)


def _has_bias(layer: Layer) -> bool:
    if isinstance(layer, Sequential):
        return any(map(_has_bias, layer.layers))
    return isinstance(layer, Affine) and layer.b_std is not None
