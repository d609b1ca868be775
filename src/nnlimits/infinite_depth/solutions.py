"""What the layers that solve an equation found, and how."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits import nn
from nnlimits.validation import check_instance


class Solutions(NamedTuple):
    """The outputs of a network, (n, *output_shape), and the reports of its layers in the order in which they ran."""

    outputs: Float[Array, "n ..."]
    reports: list[nn.Report]

    @property
    def evaluations(self) -> int:
        """How often right-hand sides are evaluated for an example, by all layers that tell it, and all of their repetitions."""
        return sum(
            int(np.sum(one.statistics["evaluations"])) for one in self.reports if "evaluations" in one.statistics
        )


def solutions(
    network: nn.Layer, params: PyTree, x: Float[Array, "n ..."], *, key: PRNGKeyArray | None = None
) -> Solutions:
    """Run a network, and collect what the layers that solve an equation tell: evaluations, steps, residuals.

    **Arguments:** those of `network.apply`.

    **Returns:** `Solutions`; the statistics of each report are those named in the documentation of its layer (`nn.Equilibrium`).
    The reports of blocks of `nn.Repeat` have the blocks along a leading axis.

    **Raises:** `TypeError` for what is no network; `SolveError` if an equation is not solved; `ValueError` if a layer cannot
    take the shape that it receives.
    """
    check_instance("network", network, nn.Layer)
    with nn.reporting() as reports:
        outputs = network.apply(params, x, key=key)
    return Solutions(outputs, reports)
