"""The empirical NTK from structured derivatives (Novak, Sohl-Dickstein & Schoenholz 2022, section 3.4).

Where a parameter is used once, in a product or convolution, its derivatives are never formed whole: the kernel is made
of the inputs of that operation and the cotangents of its result.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree, Shaped

from nnlimits.empirical.contractions import contract
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
    sites: tuple[int, ...]
    n_outputs: int


class Derivatives(NamedTuple):
    """What the kernel needs of each example, each array with the examples along its first axis."""

    sources: tuple[Any, ...]
    """For each structured use, the operation's other operand."""
    cotangents: dict[int, Any]
    """For each site, the derivatives of the outputs, (n, outputs, ...)."""
    jacobians: tuple[Any, ...]
    """For each plain parameter, the derivatives of the outputs, (n, outputs, ...)."""


def structure_of(f: Callable[..., Any], params: PyTree, x: Any) -> Structure:
    """Read how `f` uses its parameters at an example of the shape and dtype of `x` (no batch axis)."""
    program = read_program(lambda p, one: f(p, one[None])[0].reshape(-1), params, x)
    found = find_weight_uses(program, len(jax.tree.leaves(params)))
    uses = tuple(use for use in found.values() if use is not None)
    plain = tuple(leaf for leaf, use in found.items() if use is None)
    if not found or isinstance(program.output, Constant):
        raise ValueError("the outputs of f do not depend on params")
    n_outputs = program.types[program.output].shape[0]
    return Structure(program, uses, plain, tuple(dict.fromkeys(use.site for use in uses)), n_outputs)


def derivatives(structure: Structure, params: PyTree, x: Shaped[Array, "n ..."]) -> Derivatives:
    """Inputs and cotangents of every structured use, by one forward and one batched backward pass."""
    leaves, types = jax.tree.leaves(params), structure.program.types
    wanted = tuple(Constant(0.0) if use.source is None else use.source for use in structure.uses)
    zeros = {site: jnp.zeros(types[site].shape, types[site].dtype) for site in structure.sites}

    def one(x: Any) -> Derivatives:
        def outputs(changes: dict[int, Any], plain: tuple[Any, ...]) -> Any:
            current = list(leaves)
            for place, leaf in zip(structure.plain, plain, strict=True):
                current[place] = leaf
            return structure.program.evaluate([*current, x], changes, wanted)

        plain = tuple(leaves[place] for place in structure.plain)
        values, pullback, sources = jax.vjp(outputs, zeros, plain, has_aux=True)
        basis = jnp.eye(structure.n_outputs, dtype=values.dtype)
        return Derivatives(tuple(sources), *jax.vmap(pullback)(basis))

    return jax.vmap(one)(x)


def combine(
    structure: Structure, left: Derivatives, right: Derivatives | None, outputs: Outputs
) -> Float[Array, "n1 n2 ..."]:
    """The kernel between two batches, summed over outputs where `outputs` is "trace"."""
    n1 = len(jax.tree.leaves(left)[0])
    n2 = None if right is None else len(jax.tree.leaves(right)[0])
    blocks = spans(n1, n2, structure.n_outputs)
    parts = []
    if structure.plain:
        other = None if right is None else right.jacobians
        parts.append(plain_products(left.jacobians, other, outputs, blocks))
    if structure.uses:
        other = None if right is None else (right.sources, right.cotangents)
        parts.append(contract(structure.uses, (left.sources, left.cotangents), other, outputs, blocks))
    return assembled([sum_of(values) for values in zip(*parts, strict=True)], blocks, n1)


def bytes_per_example(structure: Structure, leaf_sizes: list[int], itemsize: int) -> float:
    """The memory that the derivatives of one example take."""
    types = structure.program.types
    cotangents = sum(types[site].size for site in structure.sites) + sum(leaf_sizes[leaf] for leaf in structure.plain)
    inputs = sum(use.sizes.B * use.sizes.M * use.sizes.K for use in structure.uses if use.source is not None)
    return float(itemsize) * (structure.n_outputs * cotangents + inputs)
