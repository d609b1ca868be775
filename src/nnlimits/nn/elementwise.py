"""Any JAX function as a nonlinearity."""

import functools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits.nn.activation import Activation
from nnlimits.nn.fields import as_real
from nnlimits.nn.word import spell

_NAMESPACES = {"jnp": jnp, "jax.nn": jax.nn, "jax.scipy.special": jax.scipy.special, "jax.lax": jax.lax}


class Elementwise(Activation):
    """A function of your own, applied to each feature: `nn.Elementwise(lambda x: jnp.maximum(x, 0.1 * x))`.

    The points where the function is not smooth matter to the accuracy of its kernel; they are found numerically, or
    given as `kinks`. `repr` rebuilds the word for named functions of JAX, as in `nn.Elementwise(jnp.tanh)`; a function
    of your own is shown by its name, which rebuilds it where that name is defined; a lambda has no name, and does not
    rebuild. Two such words are equal if they hold the same function object.

    **Arguments:** `function`, a JAX function of one array that acts elementwise, and is hashable; `kinks`, the points
    where it is not smooth, `()` if there are none, `None` to find them.
    """

    function: Callable[..., Any] = eqx.field(static=True)
    given_kinks: tuple[float, ...] | None = eqx.field(static=True)

    def __init__(self, function: Any, kinks: Any = None) -> None:
        if not callable(function):
            raise TypeError(f"function must be callable; received {function!r}")
        if isinstance(function, type):
            raise TypeError(f"function must map an array to an array; received the class {function.__name__}")
        try:
            hash(function)
        except TypeError:
            raise TypeError(f"function must be hashable; received {function!r}; wrap it in a def or a lambda") from None
        self.function = function
        self.given_kinks = None if kinks is None else _as_kinks(kinks)

    @property
    def kinks(self) -> tuple[float, ...]:
        """The given kinks, or else those found numerically."""
        return _found_kinks(self.function) if self.given_kinks is None else self.given_kinks

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        y = jnp.asarray(self.function(x))
        if jnp.issubdtype(y.dtype, jnp.complexfloating):
            raise TypeError(f"Elementwise needs a real function; {spell_function(self.function)} returns {y.dtype}")
        if y.shape != jnp.shape(x):
            raise self._shape_error(
                f"needs a function that acts on each element; {spell_function(self.function)} maps shape {jnp.shape(x)}"
                f" to {y.shape}."
            )
        return y.astype(jnp.asarray(x).dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        name = spell_function(self.function)
        reference = name if _named_function(name) is self.function else self.function
        return _rebuild, (reference, self.given_kinks)

    def _spelled_arguments(self) -> list[str]:
        kinks = [] if self.given_kinks is None else [f"kinks={spell(self.given_kinks)}"]
        return [spell_function(self.function), *kinks]


def spell_function(function: Callable) -> str:
    """The public name of a function of JAX, such as `jnp.tanh`; the qualified name of any other; else its `repr`."""
    name = getattr(function, "__name__", None)
    if name is None:
        return repr(function)
    for prefix, namespace in _NAMESPACES.items():
        if getattr(namespace, name, None) is function:
            return f"{prefix}.{name}"
    return getattr(function, "__qualname__", name)


def _named_function(name: str) -> Any:
    """The function of JAX with this public name, such as `jnp.tanh`; `None` if there is none."""
    prefix, _, name = name.rpartition(".")
    return getattr(_NAMESPACES.get(prefix), name, None)


def _rebuild(reference: Any, kinks: tuple[float, ...] | None) -> Elementwise:
    """Undo `Elementwise.__reduce__`: JAX's compiled functions do not pickle, their public names do."""
    return Elementwise(_named_function(reference) if isinstance(reference, str) else reference, kinks)


@functools.lru_cache(maxsize=1024)
def _found_kinks(function: Callable) -> tuple[float, ...]:
    from nnlimits.nn.kinks import find_kinks

    return find_kinks(function)


def _as_kinks(kinks: Any) -> tuple[float, ...]:
    try:
        entries = tuple(kinks)
    except TypeError:
        raise TypeError(f"kinks must be a tuple of numbers, such as (0.0,), or None; received {kinks!r}") from None
    return tuple(sorted(as_real(f"kinks[{i}]", entry) for i, entry in enumerate(entries)))
