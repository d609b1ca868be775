"""What is said of training that does not converge: equations without a solution, and losses that do not come to rest."""

import contextlib
from collections.abc import Callable, Iterator

from nnlimits import nn
from nnlimits.training.epochs import Epochs


@contextlib.contextmanager
def solved_in(place: Callable[[], str]) -> Iterator[None]:
    """Say of a `SolveError` where in training it comes from, and what to do about it."""
    try:
        yield
    except nn.SolveError as error:
        diagnosis = str(error).partition(" Outside jit")[0]  # where fit is, nobody can be
        raise nn.SolveError(
            f"the network's equation could not be solved {place()}; lower learning_rate. The solver says: {diagnosis}"
        ) from error


def unsettled(found: Epochs) -> str | None:
    """What there is to say of training that did not come to rest."""
    first, last = found.losses[0], found.losses[-1]
    if last > first:
        return (
            f"the loss is {last:.4g} in epoch {len(found.losses)}, and was {first:.4g} in the first: training does not settle; "
            "lower learning_rate"
        )
    if not found.settled:
        return (
            f"the loss was still falling after max_epochs={len(found.losses)}, at {last:.4g}; increase max_epochs or "
            "learning_rate"
        )
    return None
