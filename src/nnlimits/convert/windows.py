"""The padding of convolutions and poolings of other libraries, in the language's terms."""

from collections.abc import Sequence
from typing import Any

from nnlimits.convert.conversion import Conversion
from nnlimits.nn.window import Padding


def short(sizes: Sequence[int]) -> int | tuple[int, ...]:
    """One number for all axes, where they agree."""
    return sizes[0] if len(set(sizes)) == 1 else tuple(sizes)


def zeros(
    module: Any,
    conversion: Conversion,
    pairs: Sequence[Any],
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
) -> Padding:
    """Padding by zeros: `pairs` holds one number an axis, or what lies before and after."""
    sizes = _symmetric(module, conversion, pairs)
    if not any(sizes):
        return "valid"
    if all(s == 1 and 2 * m == (k - 1) * d for m, k, s, d in zip(sizes, kernel, stride, dilation, strict=True)):
        return "same"
    return short(sizes)


def circular(
    module: Any, conversion: Conversion, pairs: Sequence[Any], kernel: Sequence[int], dilation: Sequence[int]
) -> Padding:
    """Padding by the other end of the axis."""
    sizes = _symmetric(module, conversion, pairs)
    if any(2 * m != (k - 1) * d for m, k, d in zip(sizes, kernel, dilation, strict=True)):
        raise conversion.refuse(
            module,
            f"has circular padding {sizes} for a kernel {tuple(kernel)}; the language keeps all positions (half of the kernel)",
        )
    return "circular" if any(sizes) else "valid"


def _symmetric(module: Any, conversion: Conversion, pairs: Sequence[Any]) -> tuple[int, ...]:
    both = [(pair, pair) if isinstance(pair, int) else tuple(pair) for pair in pairs]
    if any(low != high for low, high in both):
        raise conversion.refuse(module, f"has padding {both}; the language has as many zeros on both sides")
    return tuple(int(low) for low, _ in both)


def transposed_padding(
    module: Any,
    conversion: Conversion,
    kernel: Sequence[int],
    stride: Sequence[int],
    low: Sequence[int],
    extra: Sequence[int],
) -> str:
    """The padding of a transposed convolution, with `low` positions taken off at both ends and `extra` added at the last."""
    axes = list(zip(kernel, stride, low, extra, strict=True))
    if all(m == 0 and e == 0 for _, _, m, e in axes):
        return "valid"
    if all(m == max(0, (f - s) // 2) and s == e - 2 * m + f for f, s, m, e in axes):
        return "same"
    raise conversion.refuse(
        module,
        f"has padding {tuple(low)} and output padding {tuple(extra)} for kernel {tuple(kernel)} and stride {tuple(stride)}; the "
        "language has transposed convolutions without padding, and those that make stride times as many positions with "
        "padding (kernel - stride) // 2",
    )
