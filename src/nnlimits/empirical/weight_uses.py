"""Where a program uses its parameters in a way that gives their derivative a structure.

A parameter has structure if it enters once, possibly scaled or reshaped, into a product, a convolution, a sum or an
elementwise product (Novak, Sohl-Dickstein & Schoenholz 2022, section 3.4). Its derivative is then made of the
operation's other operand and of the cotangent of its result.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits.empirical import bilinear
from nnlimits.empirical.bilinear import Bilinear, Sizes
from nnlimits.empirical.program import Constant, Equation, Operand, Program

_RESHAPES = ("reshape", "squeeze", "expand_dims")


class WeightUse(NamedTuple):
    """The one use of a parameter, seen from the `site`: the value whose cotangent the derivative needs.

    The site lies after the operation, as far as the cotangent is known up to scale, so that a weight and the bias added
    to its product share one.
    """

    leaf: int
    site: int
    source: Operand | None
    """The other operand; `None` where there is none."""
    form: Bilinear
    scale: tuple[Any, ...]
    """Constants whose product multiplies the derivative."""
    back: tuple[tuple[str, Any], ...]
    """Reshapes and transpositions that lead from the site back to the operation's result."""

    @property
    def sizes(self) -> Sizes:
        """The axes of the common form."""
        return self.form.sizes

    def inputs(self, value: Any, dtype: Any) -> Float[Array, "B M K"]:
        """The common form of the other operand's value, the scale included."""
        h = self.form.inputs(dtype if self.source is None else value)
        for constant in self.scale:
            h = h * jnp.asarray(constant, h.dtype).reshape(())
        return h

    def cotangents(self, delta: Any) -> Float[Array, "B M F"]:
        """The common form of the cotangent at the site."""
        for name, how in self.back:
            delta = delta.reshape(how) if name == "reshape" else jnp.transpose(delta, how)
        return self.form.cotangents(delta)


def find_weight_uses(program: Program, n_leaves: int) -> dict[int, WeightUse | None]:
    """For each parameter that is used, its structured use, or `None` if it has none.

    **Arguments:** `n_leaves`, how many of the program's first inputs are parameters.
    """
    counts = program.uses()
    users = {
        operand: (equation, position)
        for equation in program.equations
        for position, operand in enumerate(equation.inputs)
        if isinstance(operand, int)
    }
    search = _Search(program, counts, users)
    return {leaf: search.use_of(leaf) for leaf in range(n_leaves) if counts[program.inputs[leaf]] > 0}


class _Search(NamedTuple):
    program: Program
    counts: dict[int, int]
    users: dict[int, tuple[Equation, int]]

    def use_of(self, leaf: int) -> WeightUse | None:
        number, repeated = self.program.inputs[leaf], frozenset()
        scale: tuple[Any, ...] = ()
        while (user := self._only_user(number)) is not None:
            equation, position = user
            factor = self._scaling(equation, position)
            moved = self._moved(equation, repeated)
            if factor is not None:
                scale += factor
            elif moved is not None:
                repeated = moved
            else:
                return self._ending(leaf, number, equation, position, scale, repeated)
            number = equation.outputs[0]
        return None

    def _only_user(self, number: int) -> tuple[Equation, int] | None:
        return self.users.get(number) if self.counts[number] == 1 else None

    def _shape(self, operand: Operand) -> tuple[int, ...]:
        return jnp.shape(operand.value) if isinstance(operand, Constant) else self.program.types[operand].shape

    def _dtype(self, operand: Operand) -> Any:
        return jnp.result_type(operand.value) if isinstance(operand, Constant) else self.program.types[operand].dtype

    def _scaling(self, equation: Equation, position: int) -> tuple[Any, ...] | None:
        """The factor by which an equation multiplies its operand, if that is all it does."""
        if equation.name == "neg":
            return (-1.0,)
        if equation.name in ("convert_element_type", "copy"):
            return () if self._dtype(equation.inputs[0]) == self._dtype(equation.outputs[0]) else None
        if equation.name not in ("mul", "div"):
            return None
        other = equation.inputs[1 - position]
        if not isinstance(other, Constant) or jnp.size(other.value) != 1 or (equation.name == "div" and position == 1):
            return None
        if self._shape(equation.inputs[position]) != self._shape(equation.outputs[0]):
            return None
        return (other.value if equation.name == "mul" else 1 / jnp.asarray(other.value),)

    def _moved(self, equation: Equation, repeated: frozenset[int]) -> frozenset[int] | None:
        """Along which axes entries repeat, after an equation that only rearranges them."""
        if equation.name in _RESHAPES:
            return None if repeated else repeated
        if equation.name == "transpose":
            order = equation.params["permutation"]
            return frozenset(new for new, old in enumerate(order) if old in repeated)
        if equation.name != "broadcast_in_dim":
            return None
        before, after = self._shape(equation.inputs[0]), self._shape(equation.outputs[0])
        kept = {int(new): old for old, new in enumerate(equation.params["broadcast_dimensions"])}
        return frozenset(
            axis
            for axis, size in enumerate(after)
            if size > 1 and (axis not in kept or kept[axis] in repeated or before[kept[axis]] == 1)
        )

    def _ending(
        self,
        leaf: int,
        number: int,
        equation: Equation,
        position: int,
        scale: tuple[Any, ...],
        repeated: frozenset[int],
    ) -> WeightUse | None:
        form, source = self._form(number, equation, position, repeated)
        if form is None:
            return None
        site, factors, back = self._site(equation.outputs[0])
        return WeightUse(leaf, site, source, form, scale + factors, back)

    def _form(
        self, number: int, equation: Equation, position: int, repeated: frozenset[int]
    ) -> tuple[Bilinear | None, Operand | None]:
        shapes = [self._shape(operand) for operand in equation.inputs]
        result = self.program.types[equation.outputs[0]]
        if result.dtype != self.program.types[number].dtype:
            return None, None
        if equation.name == "dot_general" and not repeated:
            return bilinear.product(equation.params, position, shapes), equation.inputs[1 - position]
        if equation.name == "conv_general_dilated" and position == 1 and not repeated:
            return bilinear.convolution(equation.params, shapes, result.shape), equation.inputs[0]
        if len(shapes[position]) != len(result.shape):
            return None, None
        sizes = enumerate(zip(shapes[position], result.shape, strict=True))
        repeated |= {axis for axis, (size, after) in sizes if size < after}
        if equation.name in ("add", "sub", "add_any"):
            sign = -1 if equation.name == "sub" and position == 1 else 1
            form = bilinear.bias(result.shape, repeated)
            return form._replace(inputs=lambda dtype: sign * form.inputs(dtype)), None
        if equation.name == "mul":
            return bilinear.gain(result.shape, repeated), equation.inputs[1 - position]
        return None, None

    def _site(self, number: int) -> tuple[int, tuple[Any, ...], tuple[tuple[str, Any], ...]]:
        """The furthest value that is this one, scaled, rearranged, and with other things added; and the way back."""
        scale: tuple[Any, ...] = ()
        back: tuple[tuple[str, Any], ...] = ()
        while (user := self._only_user(number)) is not None:
            equation, position = user
            shape = self._shape(number)
            factor = self._scaling(equation, position)
            keeps_shape = shape == self._shape(equation.outputs[0])
            if factor is not None:
                scale += factor
            elif equation.name in ("add", "add_any") or (equation.name == "sub" and position == 0):
                if not keeps_shape:
                    break
            elif equation.name in _RESHAPES:
                back = (("reshape", shape), *back)
            elif equation.name == "transpose":
                order = equation.params["permutation"]
                back = (("transpose", tuple(order.index(axis) for axis in range(len(order)))), *back)
            else:
                break
            number = equation.outputs[0]
        return number, scale, back
