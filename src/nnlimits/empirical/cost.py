"""What each algorithm for the empirical NTK would cost, predicted from shapes."""

import math
from typing import Literal, NamedTuple

from nnlimits.empirical import batches
from nnlimits.empirical.contractions import cheapest_order
from nnlimits.empirical.pairs import Outputs
from nnlimits.empirical.structured import Structure, bytes_per_example, with_formed

Algorithm = Literal["jacobian", "vector_products", "structured"]


class Task(NamedTuple):
    """Which kernel is asked for."""

    n1: int
    n2: int | None
    """`None` for the first batch with itself."""
    n_outputs: int
    outputs: Outputs
    matched: bool
    itemsize: int

    @property
    def result_bytes(self) -> float:
        """The size of the kernel."""
        pairs = self.n1 if self.matched else self.n1 * (self.n1 if self.n2 is None else self.n2)
        per_pair = {"full": self.n_outputs**2, "diagonal": self.n_outputs, "trace": 1}[self.outputs]
        return float(pairs * per_pair * self.itemsize)


def choose_algorithm(task: Task, structure: Structure, leaf_sizes: list[int]) -> Algorithm:
    """The algorithm with the fewest predicted operations among those whose derivatives of a pair of examples fit.

    Where there is structure, Jacobians are not considered: a contraction that forms them is among the structured ones, and
    forms them by plain products of matrices, several times quicker than by a convolution for each output.
    """
    examples = max(task.n1, task.n2 or 0)
    most = max(batches.WORKING_BYTES, task.result_bytes)
    needed = structure if task.matched else with_formed(structure, task.n1, task.n2, task.outputs)
    costs: dict[Algorithm, float] = {"vector_products": _vector_products(task, structure)}
    held = bytes_per_example(needed, leaf_sizes, task.itemsize)
    if structure.uses and 2 * held <= most:
        size = batches.batch_size(held, examples, task.result_bytes)
        costs["structured"] = _structured(task, structure, leaf_sizes, size)
    elif 2 * (held := jacobian_bytes(task, leaf_sizes)) <= most:
        size = batches.batch_size(held, examples, task.result_bytes)
        costs["jacobian"] = _jacobian(task, structure, leaf_sizes, size)
    return min(costs, key=lambda name: costs[name])


def jacobian_bytes(task: Task, leaf_sizes: list[int]) -> float:
    """The memory that one example's Jacobian takes."""
    return float(task.itemsize) * task.n_outputs * sum(leaf_sizes)


def _entries(task: Task) -> float:
    """Inner products of derivatives: half of them, where the kernel is symmetric."""
    n2 = task.n1 / 2 if task.n2 is None else task.n2
    return (
        float(task.n1)
        * (1 if task.matched else n2)
        * task.n_outputs
        * (task.n_outputs if task.outputs == "full" else 1)
    )


def _prepared(task: Task, size: int) -> float:
    """How many examples' derivatives are computed: batches meet each other, and are computed anew where they do."""
    n2 = 0 if task.n2 is None else task.n2
    if task.matched or size >= max(task.n1, n2):
        return float(task.n1 + n2)
    count = math.ceil(task.n1 / size)
    return float(task.n1 + count * (task.n1 / 2 if task.n2 is None else n2))


def _jacobian(task: Task, structure: Structure, leaf_sizes: list[int], size: int) -> float:
    backward = 2 * task.n_outputs * structure.program.flops
    return _prepared(task, size) * backward + 2 * _entries(task) * sum(leaf_sizes)


def _vector_products(task: Task, structure: Structure) -> float:
    one_side = task.n1 if task.n2 is None else task.n2
    forward = 1 if task.matched else task.n1
    return float(one_side) * task.n_outputs * (2 + 2 * forward) * structure.program.flops


def _structured(task: Task, structure: Structure, leaf_sizes: list[int], size: int) -> float:
    n_outputs = task.n_outputs
    plain = sum(leaf_sizes[leaf] for leaf in structure.plain)
    total = _prepared(task, size) * n_outputs * structure.program.flops
    total += plain * (2 * _entries(task) + _prepared(task, size) * n_outputs)
    pairs = (1, 1 if task.n2 is not None else None) if task.matched else (task.n1, task.n2)
    contracted = sum(cheapest_order(use.sizes, *pairs, n_outputs, task.outputs)[1] for use in structure.uses)
    return float(total) + contracted * (task.n1 if task.matched else 1)
