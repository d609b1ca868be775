"""What belongs to single inputs, found once an input.

Most of a rule's work is done for pairs, but every pair needs a few quantities of its two inputs alone: variances and
what follows from them layer by layer, for some activations hundreds of coefficients. A rule asks for them with
`per_input`. Evaluated as it stands, it computes them on the spot. To fill a large matrix, the rules run once over each
batch with itself, recording every answer, and then over all pairs of batches, which read the answers in the same order.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

Known = list[Any]
"""The answers of one batch, in the order of the questions: PyTrees of scalars and of arrays whose last axis is the batch."""


def per_input(function: Callable[[Any], Any], first: Any, second: Any) -> tuple[Any, Any]:
    """`(function(first), function(second))`, known already where a batch has been recorded.

    **Arguments:** `function`, of one batch's quantities at the present layer (any PyTree), elementwise in the inputs; it must
    not depend on the other batch. `first`, `second`: those quantities for either batch.

    Not to be called in a function that JAX transforms within a rule.
    """
    return _present().answer(function, first, second)


Place = Callable[[jax.Array], jax.Array]
"""From what is known of the inputs of a batch, to arrays that go with those of the pairs."""


Step = Callable[[Any, Any], tuple[Any, Any]]
"""`state, result = step(state, x)`, as `lax.scan` takes it."""


def stage(at_zero: Callable[[], Any]) -> tuple[Any, Known, Known]:
    """The result of `at_zero`, which applies rules to every input of a batch with itself, and all answers, for both batches.

    The answers are for any number of calls of `read`. Where the batches are recorded already, the result is `None`.
    """
    return _present().stage(at_zero)


def of_examples(find: Callable[[], Any]) -> tuple[Any, Any]:
    """What `find` computes for every example with itself, for either batch; known already where they have been recorded."""
    return _present().of_examples(find)


def again(rules: Callable[[], Any], second: Place | None = None) -> Callable[[Callable[[], Any]], Any]:
    """What evaluates rules that ask of single inputs what `rules` asks, any number of times, inside of loops as well.

    **Arguments:** `rules`, called once while a batch is recorded, with arrays of its inputs paired with themselves; `second`, by
    which what is known of the second input of a pair is rearranged, where an input stands for several.

    **Returns:** a function that evaluates such rules, and may be called in a function that JAX transforms.
    """
    return _present().again(rules, _as_it_is if second is None else second)


class _Compute:
    """Nothing is known."""

    def answer(self, function: Callable[[Any], Any], first: Any, second: Any) -> tuple[Any, Any]:
        # apart from the pairs, or XLA would compute it again for every pair
        return jax.lax.optimization_barrier((function(first), function(second)))

    def scan(self, step: Callable[[Any, Any], Any], state: Any, layers: Any, length: int) -> Any:
        return jax.lax.scan(lambda carry, layer: (step(carry, layer), None), state, layers, length=length)[0]

    def steps(self, step: Step, state: Any, xs: Any, by_step: Place) -> tuple[Any, Any]:
        return jax.lax.scan(step, state, xs)

    def stage(self, at_zero: Callable[[], Any]) -> tuple[Any, Known, Known]:
        raise RuntimeError("stages of a network are recorded first")

    def of_examples(self, find: Callable[[], Any]) -> tuple[Any, Any]:
        raise RuntimeError("what belongs to examples is recorded first")

    def again(self, rules: Callable[[], Any], second: Place) -> Callable[[Callable[[], Any]], Any]:
        return lambda now: _under(_Compute(), now)


class _Record:
    """One batch with itself: write down what is found."""

    def __init__(self) -> None:
        self.known: Known = []

    def answer(self, function: Callable[[Any], Any], first: Any, second: Any) -> tuple[Any, Any]:
        with _mode(_Compute()):
            found = function(first)
        self.known.append(found)
        return found, found

    def scan(self, step: Callable[[Any, Any], Any], state: Any, layers: Any, length: int) -> Any:
        def body(carry, layer):
            with _mode(_Record()) as inner:
                return step(carry, layer), inner.known

        state, known = jax.lax.scan(body, state, layers, length=length)
        self.known.append(known)
        return state

    def steps(self, step: Step, state: Any, xs: Any, by_step: Place) -> tuple[Any, Any]:
        def body(carry, x):
            with _mode(_Record()) as inner:
                return step(carry, x), inner.known

        def recorded(carry, x):
            (carry, y), known = body(carry, x)
            return carry, (y, known)

        state, (ys, known) = jax.lax.scan(recorded, state, xs)
        self.known.append(jax.tree.map(lambda v: jnp.moveaxis(v, 0, -2) if v.ndim > 1 else v, known))
        return state, ys

    def stage(self, at_zero: Callable[[], Any]) -> tuple[Any, Known, Known]:
        with _mode(_Record()) as inner:
            found = at_zero()
        self.known.append(inner.known)
        return found, inner.known, inner.known

    def of_examples(self, find: Callable[[], Any]) -> tuple[Any, Any]:
        found = find()
        self.known.append(found)
        return found, found

    def again(self, rules: Callable[[], Any], second: Place) -> Callable[[Callable[[], Any]], Any]:
        with _mode(_Record()) as inner:
            rules()
        self.known.append(inner.known)
        return lambda now: _under(_Read(inner.known, inner.known, (_as_it_is, second)), now)


class _Read:
    """Two recorded batches."""

    def __init__(self, first: Known, second: Known, places: tuple[Place, Place]) -> None:
        self.pairs = deque(zip(first, second, strict=True))
        self.places = places

    def answer(self, function: Callable[[Any], Any], first: Any, second: Any) -> tuple[Any, Any]:
        return self._placed()

    def scan(self, step: Callable[[Any, Any], Any], state: Any, layers: Any, length: int) -> Any:
        def body(carry, x):
            layer, known = x
            first, second = known
            with _mode(_Read(first, second, self.places)):
                return step(carry, layer), None

        return jax.lax.scan(body, state, (layers, self.pairs.popleft()), length=length)[0]

    def steps(self, step: Step, state: Any, xs: Any, by_step: Place) -> tuple[Any, Any]:
        known = jax.tree.map(by_step, self._placed())

        def body(carry, x):
            here, (known1, known2) = x
            with _mode(_Read(known1, known2, (_as_it_is, _as_it_is))):
                return step(carry, here)

        return jax.lax.scan(body, state, (xs, known))

    def stage(self, at_zero: Callable[[], Any]) -> tuple[Any, Known, Known]:
        return None, *self.pairs.popleft()

    def of_examples(self, find: Callable[[], Any]) -> tuple[Any, Any]:
        return self._placed()

    def again(self, rules: Callable[[], Any], second: Place) -> Callable[[Callable[[], Any]], Any]:
        known1, known2 = self._placed()
        return lambda now: _under(_Read(known1, known2, (_as_it_is, second)), now)

    def _placed(self) -> tuple[Any, Any]:
        known1, known2 = self.pairs.popleft()
        return jax.tree.map(self.places[0], known1), jax.tree.map(self.places[1], known2)


def _as_it_is(value: jax.Array) -> jax.Array:
    return value


_Mode = TypeVar("_Mode", _Compute, _Record, _Read)


def _under(mode: _Mode, rules: Callable[[], Any]) -> Any:
    with _mode(mode):
        return rules()


def _as_column(value: jax.Array) -> jax.Array:
    return value[..., :, None] if value.ndim else value


def _as_row(value: jax.Array) -> jax.Array:
    return value[..., None, :] if value.ndim else value


_MODE: ContextVar[_Compute | _Record | _Read | None] = ContextVar("per_input", default=None)


def _present() -> _Compute | _Record | _Read:
    return _MODE.get() or _Compute()


@contextmanager
def _mode(mode: _Mode) -> Iterator[_Mode]:
    token = _MODE.set(mode)
    try:
        yield mode
    finally:
        _MODE.reset(token)


def columns_and_rows(part: Place = _as_it_is) -> tuple[Place, Place]:
    """All pairs of a `part` of the first batch with the second."""
    return lambda value: _as_column(part(value) if value.ndim else value), _as_row


def record(rules: Callable[[], Any]) -> tuple[Any, Known]:
    """The result of `rules`, which applies the rules to a batch paired with itself, arrays of shape `(n,)`; and all answers."""
    with _mode(_Record()) as mode:
        return rules(), mode.known


def read(
    first: Known, second: Known, rules: Callable[[], Any], places: tuple[Place, Place] = (_as_column, _as_row)
) -> Any:
    """The result of `rules`, which applies the same rules to pairs of two recorded batches: all of them, in arrays of shape `(n1,
    n2)`, or those that `places` gives.
    """
    with _mode(_Read(first, second, places)):
        return rules()


def without_record(rules: Callable[[], Any]) -> Any:
    """The result of `rules` apart from any recording, as when only the shapes of a state are wanted."""
    with _mode(_Compute()):
        return rules()


def scan(step: Callable[[Any, Any], Any], state: Any, layers: Any, length: int) -> Any:
    """`state` after `state = step(state, layer)` for `length` layers, stacked along the first axis of `layers`' arrays."""
    return _present().scan(step, state, layers, length)


def steps(step: Step, state: Any, xs: Any, by_step: Place) -> tuple[Any, Any]:
    """`lax.scan` along the first of two axes (steps, batch) of positions, by rules that ask `per_input`.

    `by_step` brings the steps of what is known, placed with the pairs, to the first axis.
    """
    return _present().steps(step, state, xs, by_step)
