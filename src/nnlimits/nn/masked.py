"""Inputs of variable length."""

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from nnlimits.nn.context import surrounded, surroundings
from nnlimits.nn.embedding import Embedding
from nnlimits.nn.errors import located
from nnlimits.nn.fields import as_static_real
from nnlimits.nn.layer import Layer
from nnlimits.nn.members import as_member
from nnlimits.nn.parallel import Parallel
from nnlimits.nn.parameterization import Parameterization
from nnlimits.nn.residual import Residual
from nnlimits.nn.sequential import Sequential
from nnlimits.nn.word import spell
from nnlimits.validation import is_traced


class Masked(Layer):
    """Layers that take no notice of padding: a position is masked if all its channels equal `value`.

    The layers run one after another as in `Sequential`; the parameters are a tuple, one entry a layer. Those that mix
    positions respect the mask: convolutions, `Flatten`, `Linear` over positions and `GlobalSumPool` read zeros at masked
    positions, `GlobalAvgPool` and `LayerNorm` over positions average over the others, `SelfAttention` has no masked keys and
    gives zeros there, `Rnn` keeps its state, `Aggregate` has no masked nodes. Outputs at masked positions have no meaning; a
    network ends with a layer that removes the positions. Layers that change the number of positions cannot say which new
    ones are masked, and raise `ShapeError`, unless they remove all.

    If the first layer is an `Embedding`, a position is masked if its token equals `value`; the token need not be in the
    vocabulary.

    **Arguments:** the layers; `value`, a real number.

    **Raises:** `ValueError` if all positions of an example are masked. (Where values are unknown, as inside `jit`, averages
    over no positions are zero.)
    """

    layers: tuple[Layer, ...]
    value: float = eqx.field(static=True)

    def __init__(self, *layers: Any, value: Any = 0.0) -> None:
        self.layers = tuple(as_member(f"Masked's layer {i}", layer) for i, layer in enumerate(layers))
        self.value = as_static_real("value", value)

    @property
    def body(self) -> Sequential:
        """The layers, as one."""
        return Sequential(*self.layers)

    def mask(self, x: Float[Array | np.ndarray, "n ..."]) -> Bool[Array | np.ndarray, "n *positions"]:
        """Where the inputs `x` are masked.

        **Raises:** `ValueError` if all positions of an example are.
        """
        masked = x == self.value
        if not _takes_tokens(self):
            masked = masked.all(-1)
        if not is_traced(masked):
            empty = np.asarray(masked).reshape(x.shape[0], -1).all(1)
            if empty.any():
                raise ValueError(
                    f"Masked needs at least one unmasked position in each example; all positions of example "
                    f"{int(np.argmax(empty))} equal {self.value:g} ({int(empty.sum())} such examples); remove them"
                )
        return masked

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        with located("in Masked"), surrounded(positions=self._positions(input_shape)):
            return self.body.output_shape(input_shape)

    def initialize(
        self, key: PRNGKeyArray, input_shape: tuple[int, ...], parameterization: Parameterization, dtype: Any
    ) -> PyTree:
        """Draw the parameters of each layer: a tuple, one entry a layer."""
        with located("in Masked"), surrounded(positions=self._positions(input_shape)):
            return self.body.initialize(key, input_shape, parameterization, dtype)

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> Float[Array, "n ..."]:
        positions, mask = self._positions(x.shape[1:]), self.mask(x)
        with located("in Masked"), surrounded(positions=positions, mask=mask):
            return self.body.forward(params, x, key, parameterization)

    def keeps_width(self) -> bool:
        return self.body.keeps_width()

    def placed(self, parameterization: Parameterization) -> tuple[tuple[Layer, Parameterization], ...]:
        return self.body.placed(parameterization)

    def makes_width(self, parameterization: Parameterization) -> bool:
        return self.body.makes_width(parameterization)

    def _positions(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        if surroundings().positions is not None:
            raise self._shape_error("is inside another Masked; one is enough, which sees the whole input.")
        positions = input_shape if _takes_tokens(self) else input_shape[:-1]
        if not positions:
            raise self._shape_error(
                f"expects positions and channels, such as (128, 64), or tokens for an nn.Embedding; it received {input_shape}."
            )
        return positions

    def _spelled_arguments(self) -> list[str]:
        layers = [spell(layer) for layer in self.layers]
        return layers if self.value == 0 else [*layers, f"value={spell(self.value)}"]


def _takes_tokens(layer: Layer) -> bool:
    """Whether the input of `layer` goes to an `Embedding`, and so has no channels."""
    if isinstance(layer, Sequential | Masked):
        return bool(layer.layers) and _takes_tokens(layer.layers[0])
    if isinstance(layer, Parallel):
        return _takes_tokens(layer.branches[0])
    if isinstance(layer, Residual):
        return _takes_tokens(layer.body)
    return isinstance(layer, Embedding)
