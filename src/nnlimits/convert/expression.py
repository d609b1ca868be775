"""From the graph of a traced model to an expression of the language.

An expression is built of layers in a row and of branches side by side. So the graph is parted at its dominators, the
operations that every path to the output passes; between two of them there is one operation, or branches that meet in a
sum, a concatenation or a product, which are parted in turn.
"""

from collections.abc import Callable
from typing import Any

from nnlimits import nn
from nnlimits.convert.conversion import Conversion
from nnlimits.convert.graph import Node, refuse
from nnlimits.convert.recognition import word_of


def expression(start: Node, end: Node) -> list[nn.Layer]:
    """The layers from the input of a graph to its output.

    **Raises:** `Unsupported` for a graph that is not made of rows and branches, or an operation that has no word.
    """
    steps = _steps(start, end)
    row: list[nn.Layer] = []
    while steps:
        run = _run_of_functions(steps)
        row += _function_words(run) if run else [_word(*steps[0])]
        steps = steps[max(len(run), 1) :]
    return _joined(row)


Step = tuple[Node, Node]
"""An operation, and the one that dominates it."""


def _steps(start: Node, end: Node) -> list[Step]:
    """The dominators of `end`, each with the one before it."""
    steps: list[Step] = []
    while end is not start:
        before = _dominator(start, end)
        steps.append((before, end))
        end = before
    return steps[::-1]


def _dominator(start: Node, end: Node) -> Node:
    """The last operation before `end` that all paths from `start` pass."""
    common: list[Node] | None = None
    order = _ancestors(start, end)
    paths: dict[Node, set[Node]] = {start: {start}}
    for node in order:
        if node is not start and node is not end:
            paths[node] = {node} | set.intersection(*(paths[x] for x in node.inputs))
    common = [node for node in order if node in set.intersection(*(paths[x] for x in end.inputs))]
    return common[-1]


def _ancestors(start: Node, end: Node) -> list[Node]:
    """All operations from `start` to before `end`, in an order in which they can be evaluated."""
    order: list[Node] = []
    seen: set[Node] = set()

    def visit(node: Node) -> None:
        if node in seen:
            return
        seen.add(node)
        if node is not start:
            for before in node.inputs:
                visit(before)
        order.append(node)

    visit(end)
    return order[:-1]


def _inner(step: Step) -> list[Node]:
    """The operations strictly after the first and up to the last of a step."""
    before, end = step
    return [node for node in _ancestors(before, end) if node is not before] + [end]


def _run_of_functions(steps: list[Step]) -> list[Step]:
    """The first steps, as far as they are functions of entries; none if they begin with anything else."""
    run: list[Step] = []
    for step in steps:
        if any(node.function is None for node in _inner(step)):
            break
        run.append(step)
    return run


def _function_words(run: list[Step]) -> list[nn.Layer]:
    """A row of functions of entries as one activation, with constant factors before and after it by themselves."""
    first, last = 0, len(run)
    while first < last and _is_scale(run[first]):
        first += 1
    while last > first and _is_scale(run[last - 1]):
        last -= 1
    scales = [[step[1].word for step in part] for part in (run[:first], run[last:])]
    middle = [] if first == last else [_activation(run[first][0], run[last - 1][1])]
    return [word for word in (*scales[0], *middle, *scales[1]) if isinstance(word, nn.Layer)]


def _is_scale(step: Step) -> bool:
    return isinstance(step[1].word, nn.Scale)


def _activation(before: Node, end: Node) -> nn.Layer:
    word = word_of(_Composite(before, end))
    if word is None:
        raise refuse(end.place, "is no function of single entries")
    return word


class _Composite:
    """The function of entries that the operations between two make; equal to others by identity."""

    def __init__(self, before: Node, end: Node) -> None:
        self.order = [node for node in _ancestors(before, end) if node is not before] + [end]
        self.before = before
        self.__name__ = self.__qualname__ = "_".join(
            getattr(node.function, "__name__", "f").strip("<>") for node in self.order
        )

    def __call__(self, x: Any) -> Any:
        values = {self.before: x}
        for node in self.order:
            function: Callable[..., Any] | None = node.function
            assert function is not None
            values[node] = function(*(values[each] for each in node.inputs))
        return values[self.order[-1]]


def _word(before: Node, end: Node) -> nn.Layer:
    """One step: a layer, or branches that meet."""
    if isinstance(end.word, nn.Layer):
        return end.word
    if end.word is None:
        raise refuse(end.place, "combines branches by a function that is no sum, product or concatenation")
    ends = _terms(before, end) if isinstance(end.word, nn.Sum) else list(end.inputs)
    _check_apart(before, ends, end)
    branches = [expression(before, branch) for branch in ends]
    if isinstance(end.word, nn.Sum) and len(branches) == 2:
        shortcut, body = sorted(branches, key=len)
        return nn.Residual(_row(body), _row(shortcut))
    return nn.Parallel(*map(_row, branches), merge=end.word)


def _row(layers: list[nn.Layer]) -> nn.Layer:
    return Conversion.sequence(layers) if layers else nn.Identity()


def _terms(before: Node, end: Node) -> list[Node]:
    """The terms of a sum; those of a sum that is a term itself are terms too, unless they share weights with others."""
    terms: list[Node] = []
    for node in end.inputs:
        nested = node is not before and isinstance(node.word, nn.Sum) and _dominator(before, node) is before
        terms += _terms(before, node) if nested else [node]
    return terms


def _check_apart(before: Node, ends: list[Node], end: Node) -> None:
    """Branches must not share an operation with parameters: in the language each has its own."""
    seen: dict[Node, int] = {}
    for number, branch in enumerate(ends):
        for node in _inner((before, branch)) if branch is not before else ():
            if node.trained and seen.setdefault(node, number) != number:
                raise refuse(
                    end.place,
                    f"joins branches that both come from {node.place}; branches of the language have weights of their own, and "
                    "part at one place and meet at one",
                )


def _joined(row: list[nn.Layer]) -> list[nn.Layer]:
    """Constant factors that follow one another as one, and none for those that cancel."""
    joined: list[nn.Layer] = []
    for word in row:
        last = joined[-1] if joined else None
        if isinstance(word, nn.Scale) and isinstance(last, nn.Scale):
            joined.pop()
            word = nn.Scale(last.factor * word.factor)
        if not isinstance(word, nn.Identity) and not (isinstance(word, nn.Scale) and abs(word.factor - 1) < 1e-6):
            joined.append(word)
    return joined
