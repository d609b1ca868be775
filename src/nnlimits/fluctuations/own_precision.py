"""Properties of results, computed in the precision of the result whatever JAX's configuration."""

import functools
from collections.abc import Callable
from typing import Any

from jaxtyping import Array

from nnlimits.compute.precision import precision_of


def own_precision(method: Callable[[Any], Array]) -> Callable[[Any], Array]:
    """A method of a result with a field `kernel`, run where the dtype of that field is available."""

    @functools.wraps(method)
    def computed(self: Any) -> Array:
        with precision_of(self.kernel):
            return method(self)

    return computed
