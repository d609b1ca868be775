"""Deep networks of one width, with parameters stacked so that their layers run as one loop."""

from typing import Any

import numpy as np
from jaxtyping import Float, PyTree

from nnlimits import nn


def stacked(
    first: tuple[Float[np.ndarray, "d width"], Float[np.ndarray, " width"]],
    inside: tuple[Float[np.ndarray, "layers width width"], Float[np.ndarray, "layers width"]],
    last: tuple[Float[np.ndarray, "width outputs"], Float[np.ndarray, " outputs"]],
    activation: nn.Activation,
    dtype: Any,
) -> tuple[nn.Sequential, PyTree]:
    """The network with hidden layers `first` and each of `inside`, all of one width, and the affine layer `last`.

    **Raises:** `ValueError` for parameters that are too large for the precision.
    """

    def affine(weight: np.ndarray, bias: np.ndarray) -> dict[str, np.ndarray]:
        largest = max(np.abs(weight).max(initial=0.0), np.abs(bias).max(initial=0.0))
        if largest > np.finfo(dtype).max:
            raise ValueError(
                f"a parameter of {largest:.3g} is beyond the range of {np.dtype(dtype).name}; take dtype=np.float64, or a "
                "smaller multiple of the function"
            )
        return {"weight": np.asarray(weight, dtype), "bias": np.asarray(bias, dtype)}

    width = first[0].shape[1]
    words: list[nn.Layer] = [nn.Dense(width), activation]
    params: list[PyTree] = [affine(*first), ()]
    layers = len(inside[0])
    if layers:
        block = nn.Sequential(nn.Dense(width), activation)
        words.append(nn.Repeat(block, layers))
        params.append({"head": (), "tail": (affine(*inside), ())})
    words.append(nn.Dense(last[0].shape[1]))
    params.append(affine(*last))
    return nn.Sequential(*words, parameterization="standard"), tuple(params)
