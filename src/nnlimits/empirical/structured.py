"""The empirical NTK from structured derivatives (Novak, Sohl-Dickstein & Schoenholz 2022, section 3.4).

Where a parameter is used once, in a product or convolution, its derivatives are never formed whole: the kernel is made
of the inputs of that operation and the cotangents of its result.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree, Shaped

from nnlimits.empirical import batches
from nnlimits.empirical.contractions import cheapest_order, contract
from nnlimits.empirical.pairs import Outputs, assembled, plain_products, spans, sum_of
from nnlimits.empirical.program import Constant, Program, read_program
from nnlimits.empirical.weight_uses import WeightUse, find_weight_uses


class Structure(NamedTuple):
    """How a network uses its parameters."""

    program: Program
    """Of one example: from the parameters' leaves and the example to the outputs, flattened."""
    uses: tuple[WeightUse, ...]
    """Of parameters whose derivatives have structure."""
    plain: tuple[int, ...]
    """The other parameters that are used, by their position among the leaves."""
    n_outputs: int
    formed: tuple[WeightUse, ...] = ()
    """Of parameters with structure whose Jacobians are formed at once, as those of the plain ones are."""

    def sites(self) -> tuple[int, ...]:
        """Values whose cotangents are needed."""
        return tuple(dict.fromkeys(use.site for use in (*self.uses, *self.formed)))


class Derivatives(NamedTuple):
    """What the kernel needs of each example, each array with the examples along its first axis."""

    sources: tuple[Any, ...]
    """For each structured use, the operation's other operand."""
    cotangents: dict[int, Any]
    """For each site, the derivatives of the outputs, (n, outputs, ...)."""
    jacobians: tuple[Any, ...]
    """For each plain parameter and each formed use, the derivatives of the outputs, (n, outputs, ...)."""


def structure_of(f: Callable[..., Any], params: PyTree, x: Any) -> Structure:
    """Read how `f` uses its parameters at an example of the shape and dtype of `x` (no batch axis)."""
    program = read_program(lambda p, one: f(p, one[None])[0].reshape(-1), params, x)
    found = find_weight_uses(program, len(jax.tree.leaves(params)))
    uses = tuple(use for use in found.values() if use is not None)
    plain = tuple(leaf for leaf, use in found.items() if use is None)
    if not found or isinstance(program.output, Constant):
        raise ValueError("the outputs of f do not depend on params")
    n_outputs = program.types[program.output].shape[0]
    return Structure(program, uses, plain, n_outputs)


def with_formed(structure: Structure, n1: int, n2: int | None, outputs: Outputs) -> Structure:
    """The same, with the Jacobians that are needed whole formed at once where that saves memory.

    In a convolution of few channels over many positions, the Jacobian is smaller than what it is made of: then the
    inputs and cotangents of a few examples only are held at a time. **Arguments:** as of `cheapest_order`.
    """
    formed: list[WeightUse] = []
    for site in structure.sites():
        here = [use for use in structure.uses if use.site == site]
        orders = {cheapest_order(use.sizes, n1, n2, structure.n_outputs, outputs)[0] for use in here}
        whole = structure.n_outputs * sum(math.prod(use.sizes._replace(M=1)) for use in here)
        if orders == {"jacobian"} and whole < _entries(structure, here):
            formed += here
    kept = tuple(use for use in structure.uses if not any(use is other for other in formed))
    return structure._replace(uses=kept, formed=tuple(formed))


def derivatives(structure: Structure, params: PyTree, x: Shaped[Array, "n ..."]) -> Derivatives:
    """Inputs and cotangents of every structured use, by one forward and one batched backward pass."""
    of_one = _derivatives_of_one(structure, params)
    if not structure.formed:
        return jax.vmap(of_one)(x)
    itemsize = jnp.result_type(*jax.tree.leaves(params)).itemsize
    passing = itemsize * _entries(structure, structure.formed)
    return batches.in_parts(
        of_one, x, passing, bytes_per_example(structure, [leaf.size for leaf in jax.tree.leaves(params)], itemsize)
    )


def _derivatives_of_one(structure: Structure, params: PyTree) -> Callable[[Any], Derivatives]:
    leaves, types = jax.tree.leaves(params), structure.program.types
    uses = (*structure.uses, *structure.formed)
    wanted = tuple(Constant(0.0) if use.source is None else use.source for use in uses)
    zeros = {site: jnp.zeros(types[site].shape, types[site].dtype) for site in structure.sites()}

    def one(x: Any) -> Derivatives:
        def outputs(changes: dict[int, Any], plain: tuple[Any, ...]) -> Any:
            current = list(leaves)
            for place, leaf in zip(structure.plain, plain, strict=True):
                current[place] = leaf
            return structure.program.evaluate([*current, x], changes, wanted)

        plain = tuple(leaves[place] for place in structure.plain)
        values, pullback, sources = jax.vjp(outputs, zeros, plain, has_aux=True)
        cotangents, jacobians = jax.vmap(pullback)(jnp.eye(structure.n_outputs, dtype=values.dtype))
        kept, others = sources[: len(structure.uses)], sources[len(structure.uses) :]
        formed = (
            _jacobian(use, source, cotangents[use.site]) for use, source in zip(structure.formed, others, strict=True)
        )
        needed = {use.site: cotangents[use.site] for use in structure.uses}
        return Derivatives(tuple(kept), needed, (*jacobians, *formed))

    return one


def _jacobian(use: WeightUse, source: Any, cotangents: Any) -> Float[Array, "outputs p"]:
    delta = jax.vmap(use.cotangents)(cotangents)
    inputs = use.inputs(source, delta.dtype)
    return jnp.einsum("abmf,bmk->abfk", delta, inputs, precision="highest").reshape(len(delta), -1)


def combine(
    structure: Structure, left: Derivatives, right: Derivatives | None, outputs: Outputs
) -> Float[Array, "n1 n2 ..."]:
    """The kernel between two batches, summed over outputs where `outputs` is "trace"."""
    n1 = len(jax.tree.leaves(left)[0])
    n2 = None if right is None else len(jax.tree.leaves(right)[0])
    blocks = spans(n1, n2, structure.n_outputs)
    parts = []
    if structure.plain or structure.formed:
        other = None if right is None else right.jacobians
        parts.append(plain_products(left.jacobians, other, outputs, blocks))
    if structure.uses:
        other = None if right is None else (right.sources, right.cotangents)
        parts.append(contract(structure.uses, (left.sources, left.cotangents), other, outputs, blocks))
    return assembled([sum_of(values) for values in zip(*parts, strict=True)], blocks, n1)


def bytes_per_example(structure: Structure, leaf_sizes: list[int], itemsize: int) -> float:
    """The memory that the derivatives of one example take."""
    jacobians = sum(leaf_sizes[leaf] for leaf in structure.plain)
    jacobians += sum(math.prod(use.sizes._replace(M=1)) for use in structure.formed)
    return float(itemsize) * (structure.n_outputs * jacobians + _entries(structure, structure.uses))


def _entries(structure: Structure, uses: Sequence[WeightUse]) -> float:
    """How many numbers the inputs and cotangents of some uses are, of one example."""
    types = structure.program.types
    cotangents = sum(types[site].size for site in dict.fromkeys(use.site for use in uses))
    inputs = sum(use.sizes.B * use.sizes.M * use.sizes.K for use in uses if use.source is not None)
    return float(structure.n_outputs * cotangents + inputs)
