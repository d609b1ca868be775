"""The embedding of tokens."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree, Shaped

from nnlimits.nn.affine import check_parameters, draw, scaled
from nnlimits.nn.context import mask_of
from nnlimits.nn.fields import Scalar, integer_field, non_negative_field
from nnlimits.nn.layer import Layer
from nnlimits.nn.parameterization import Parameterization, Vector
from nnlimits.validation import is_traced


class Embedding(Layer):
    """A vector for each token: integers (*positions) to (*positions, width).

    In the NTK parameterization `y = w_std W[token]`, all entries of W from N(0, 1); in the standard one the scale is drawn
    into W. The parameter is `{"weight": (vocabulary, width)}`. It is the `Dense` of one-hot vectors, up to the scale: tokens
    are no units that a limit averages over, so there is no division by a fan-in.

    Tokens are integers from 0 to `vocabulary - 1`, in an array of any real dtype. Others raise `ValueError`; where their
    values are unknown (inside `jit` or `grad`) they give NaN.

    **Arguments:** `vocabulary`, the number of tokens; `width`, the number of output channels; `w_std`, at least 0.

    Inside `Masked` a masked token can be any number; its output is that of token 0.
    """

    vocabulary: int = integer_field("vocabulary", 1)
    width: int = integer_field("width", 1)
    w_std: Scalar = non_negative_field("w_std", 1.0)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        if not input_shape:
            raise self._shape_error("expects tokens along at least one axis; it received ().")
        return (*input_shape, self.width)

    def initialize(
        self, key: PRNGKeyArray, input_shape: tuple[int, ...], parameterization: Parameterization, dtype: Any
    ) -> PyTree:
        """Draw `weight`."""
        self.output_shape(input_shape)
        return {"weight": draw(key, (self.vocabulary, self.width), self._scale(), parameterization, dtype)}

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> Float[Array, "n ..."]:
        check_parameters(self, params, {"weight": (self.vocabulary, self.width)}, x.shape[1:])
        mask = mask_of(x.shape[1:])
        tokens = self._checked(x if mask is None else jnp.where(mask, 0, x))
        valid = (tokens >= 0) & (tokens < self.vocabulary) & (tokens == jnp.floor(tokens))
        vectors = jnp.take(params["weight"], jnp.where(valid, tokens, 0).astype(int), axis=0)
        return scaled(jnp.where(valid[..., None], vectors, jnp.nan), self._scale(), parameterization)

    def _scale(self) -> Vector:
        return Vector(self.w_std, self.width)

    def _checked(self, tokens: Float[Array, "n ..."]) -> Float[Array, "n ..."]:
        largest = 2 ** (jnp.finfo(tokens.dtype).nmant + 1)
        if self.vocabulary - 1 > largest:
            raise ValueError(
                f"Embedding computes in {tokens.dtype}, which holds integers exactly up to {largest}, fewer than its "
                f"vocabulary of {self.vocabulary}; give its parameters a wider dtype"
            )
        self.check_tokens(tokens)
        return tokens

    def check_tokens(self, tokens: Shaped[Array | np.ndarray, "n ..."]) -> None:
        """Raise `ValueError` for tokens that are not in the vocabulary, where values are known."""
        if is_traced(tokens):
            return
        values = np.asarray(tokens, np.float64)
        wrong = ~((values >= 0) & (values < self.vocabulary) & (values == np.floor(values)))
        if wrong.any():
            place = tuple(int(i) for i in np.unravel_index(int(np.argmax(wrong)), wrong.shape))
            raise ValueError(
                f"Embedding expects tokens, integers from 0 to {self.vocabulary - 1}; x has {values[place]:g} at index {place} "
                f"({int(wrong.sum())} such entries)"
            )
