"""The base of all layers and combinators: a map between shapes, an initialization, and the function itself."""

import abc
import contextlib
import dataclasses
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree, Shaped

from nnlimits.nn.abc_parameterization import ABC
from nnlimits.nn.errors import ShapeError
from nnlimits.nn.fields import as_integer
from nnlimits.nn.parameterization import DEFAULT_PARAMETERIZATION, Parameterization
from nnlimits.nn.word import Word

_Layer = TypeVar("_Layer", bound="Layer")


class Layer(Word):
    """A network, or a part of one.

    A new layer defines `output_shape` and `forward`, and `initialize` if it has parameters. A network holds
    hyper-parameters only; its parameters are a separate PyTree of arrays, made by `init` and used by `apply`.
    """

    @abc.abstractmethod
    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of one output, for one input of `input_shape` (no batch axis).

        **Raises:** `ShapeError` (a `ValueError`) if the layer cannot take such an input.
        """

    @abc.abstractmethod
    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> Float[Array, "n ..."]:
        """The function of the layer, given the parameterization of the network it is part of."""

    def initialize(
        self, key: PRNGKeyArray, input_shape: tuple[int, ...], parameterization: Parameterization, dtype: Any
    ) -> PyTree:
        """Parameters of the layer, given the parameterization of the network it is part of; `()` if it has none."""
        del key, parameterization, dtype
        self.output_shape(input_shape)
        return ()

    def init(self, key: PRNGKeyArray, input_shape: tuple[int, ...], *, dtype: Any = None) -> PyTree:
        """Draw the parameters of a finite network.

        **Arguments:** `key`, a JAX random key; `input_shape`, the shape of one example, without the batch axis;
        `dtype`, that of the parameters (JAX's default float if absent; float64 works whatever JAX's configuration).

        **Returns:** a PyTree of arrays for `apply`.

        **Raises:** `ValueError` if a layer cannot take the shape it receives.
        """
        shape = _as_shape(input_shape)
        dtype = np.dtype(jnp.result_type(float) if dtype is None else dtype)
        if not jnp.issubdtype(dtype, jnp.floating):
            raise TypeError(f"dtype must be a floating-point type; received {dtype}")
        self.output_shape(shape)
        with _precision_of([dtype]):
            return _with_dtype(self, dtype).initialize(key, shape, self.network_parameterization(), dtype)

    def apply(
        self, params: PyTree, x: Shaped[Array | np.ndarray, "n ..."], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "n ..."]:
        """The finite network's outputs at the examples `x`.

        **Arguments:** `params` from `init`; `x` of shape (n, *input_shape); `key`, a JAX random key,
        switches dropout on.

        **Returns:** outputs of shape (n, *output_shape), in the common dtype of parameters and input.

        **Raises:** `ValueError` if a layer cannot take the shape it receives.
        """
        if not isinstance(x, jax.Array):
            x = np.asarray(x)
        if x.dtype.kind in "OSUMmc":
            raise TypeError(f"x must be a real numeric array; received dtype {x.dtype}")
        if x.ndim < 2:
            raise ValueError(
                f"x must have the examples along its first axis; received {x.shape}; for one, write x[None]"
            )
        shape = tuple(x.shape[1:])
        self.output_shape(shape)
        leaves = jax.tree.leaves(params)
        with _precision_of([leaf.dtype for leaf in leaves or [x]]):
            dtype = jnp.result_type(x, *leaves, float)
            inputs = jnp.asarray(x, dtype)
            return _with_dtype(self, dtype).forward(params, inputs, key, self.network_parameterization())

    def network_parameterization(self, optimizer: str = "sgd") -> Parameterization:
        """The parameterization of the network of which this layer is the whole, with the learning rates of `optimizer`."""
        return Parameterization(ABC.named(DEFAULT_PARAMETERIZATION, optimizer))

    def keeps_width(self) -> bool:
        """Whether its outputs have the channels of its inputs, so that the one number is fixed if the other is.

        So it is for a layer without a `width` of its own.
        """
        return all(field.name != "width" for field in dataclasses.fields(self))

    def placed(self, parameterization: Parameterization) -> tuple[tuple["Layer", Parameterization], ...]:
        """The members of a combinator, each with the parameterization at its place; `parameterization` is that of the whole."""
        del parameterization
        return ()

    def makes_width(self, parameterization: Parameterization) -> bool:
        """Whether the number of channels of its outputs grows with the network, at its place."""
        return parameterization.wide_input if self.keeps_width() else parameterization.wide_output

    def _axes_of(self, input_shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
        """`axes` of an example of `input_shape`, counted from 0 and in order."""
        rank = len(input_shape)
        counted = sorted({axis % rank for axis in axes if -rank <= axis < rank})
        if len(counted) < len(axes):
            raise self._shape_error(f"has axes={axes}, which are not different axes of its input {input_shape}.")
        return tuple(counted)

    def _shape_error(self, problem: str) -> ShapeError:
        return ShapeError(type(self).__name__, problem)


def _as_shape(input_shape: Any) -> tuple[int, ...]:
    if not isinstance(input_shape, tuple | list):
        raise TypeError(
            f"input_shape must be a tuple such as (784,), the batch axis left out; received {input_shape!r}"
        )
    return tuple(as_integer("every entry of input_shape", 1, size) for size in input_shape)


def _precision_of(dtypes: list[Any]) -> contextlib.AbstractContextManager:
    """Compute in float64 where it is asked for, whatever JAX's global configuration."""
    return jax.enable_x64(True) if np.dtype(np.float64) in dtypes else contextlib.nullcontext()


def _with_dtype(layer: _Layer, dtype: Any) -> _Layer:
    """Hyper-parameters that are traced arrays take the dtype of the computation, as Python floats do by themselves."""
    return jax.tree.map(lambda leaf: leaf.astype(dtype) if isinstance(leaf, jax.Array) else leaf, layer)
