"""A few examples of a stream, each with the same chance."""

import numpy as np
from jaxtyping import Float

Examples = Float[np.ndarray, "n ..."]
Outputs = Float[np.ndarray, "n o"]

MOST_ROWS = 1000


class Reservoir:
    """A uniform sample without replacement of all examples added so far, of at most 1,000 (Vitter 1985).

    **Arguments:** `examples` and `targets`, arrays without rows; `random`, NumPy's random state.
    """

    def __init__(self, examples: Examples, targets: Outputs, random: np.random.RandomState) -> None:
        self.examples, self.targets, self._random = examples, targets, random
        self._priority = np.empty(0)

    def add(self, examples: Examples, targets: Outputs) -> None:
        """Show it more examples: those of the largest of all priorities, drawn independently, are kept."""
        priority = np.concatenate([self._priority, self._random.uniform(size=len(examples))])
        kept = np.argsort(-priority)[:MOST_ROWS]
        self._priority = priority[kept]
        self.examples = np.concatenate([self.examples, examples])[kept]
        self.targets = np.concatenate([self.targets, targets])[kept]
