"""Principal components of a set of examples as a fixed encoder."""

import numpy as np
from jaxtyping import Float

from nnlimits.nn.fields import as_integer


def principal_features(
    x: Float[np.ndarray, "n inputs"], count: int
) -> tuple[Float[np.ndarray, " inputs"], Float[np.ndarray, "inputs count"]]:
    """The mean of the examples, and the matrix to their first `count` principal components, of mean square norm one together.

    **Raises:** `ValueError` for more components than examples or inputs, or examples that are all the same.
    """
    count = as_integer("count", 1, count)
    if count > min(x.shape):
        raise ValueError(
            f"{x.shape[0]} examples of {x.shape[1]} inputs have no {count} components; ask for fewer features"
        )
    centre = x.mean(0)
    _, sizes, directions = np.linalg.svd((x - centre).astype(np.float64), full_matrices=False)
    size = np.sqrt((sizes[:count] ** 2).sum() / len(x))
    if size == 0:
        raise ValueError("all examples are the same, so that they have no principal components")
    return centre, (directions[:count].T / size).astype(x.dtype)
