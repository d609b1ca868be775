"""The error of a layer that cannot take the shape it was given, and the place of that layer in its network."""

import contextlib
from collections.abc import Iterator
from typing import Any

import equinox as eqx


class ShapeError(ValueError):
    """A layer received a shape it cannot take. The message reads `<layer> <place> <problem>`.

    Combinators add the place while the error passes through them, innermost first.
    """

    def __init__(self, layer: str, problem: str, places: tuple[str, ...] = ()) -> None:
        self.layer = layer
        self.problem = problem
        self.places = places
        super().__init__(" ".join([layer, *places, problem]))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.layer, self.problem, self.places)


@contextlib.contextmanager
def located(place: str, nested_place: str | None = None) -> Iterator[None]:
    """Add `place` to a `ShapeError` that leaves the block; `nested_place` if it comes from deeper inside."""
    try:
        yield
    except ShapeError as error:
        if error.places and nested_place is not None:
            place = nested_place
        raise ShapeError(error.layer, error.problem, (*error.places, place)) from None


class SolveError(RuntimeError):
    """A layer that solves an equation for its output did not find it; the message has the solver's own diagnosis.

    Under `jax.jit` it is an `equinox.EquinoxRuntimeError` with the same message, as all errors that depend on values.
    """


@contextlib.contextmanager
def solve_errors() -> Iterator[None]:
    """Raise what a compiled function of `equinox.filter_jit` raises while it runs as a `SolveError` with the message alone."""
    try:
        yield
    except eqx.EquinoxRuntimeError as error:
        told = str(error).partition("EquinoxRuntimeError: ")[2].partition("\n\n---")[0]
        raise SolveError(told or str(error)) from None
