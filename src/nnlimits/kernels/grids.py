"""The size of the ring on which a row of layers keeps displacements: the image, and room for the zeros beyond its edges."""

import math
from functools import reduce

from nnlimits import nn
from nnlimits.kernels.positions import Window, windows

Sizes = tuple[int, ...]


def members(layer: nn.Layer) -> tuple[nn.Layer, ...]:
    """The layers inside a combinator; none for a single layer."""
    if isinstance(layer, nn.Sequential | nn.Masked | nn.GraphNetwork):
        return layer.layers
    if isinstance(layer, nn.Parallel):
        return layer.branches
    if isinstance(layer, nn.Residual):
        return layer.body, layer.shortcut
    if isinstance(layer, nn.Equilibrium):
        return layer.cell.injection, layer.cell.recurrent, layer.cell.activation
    if isinstance(layer, nn.NeuralODE):
        return (layer.field,)
    if isinstance(layer, nn.Repeat):
        return (layer.resolved_block(),) * int(layer.depth) if math.isfinite(layer.depth) else (layer.resolved_block(),)
    return ()


def grid_for(layers: tuple[nn.Layer, ...], alive: Sizes) -> tuple[Sizes, Sizes]:
    """The grid that a row of layers needs for an image, and their strides.

    Along a ring of the image's size a window at one edge would see the other: it must see as many stored zeros as it
    reaches beyond. The strides must divide the ring.
    """
    need, _, steps = _walk(layers, (alive, alive, (1,) * len(alive)))
    return tuple(-(-size // step) * step for size, step in zip(need, steps, strict=True)), steps


_State = tuple[Sizes, Sizes, Sizes]
"""What the ring must have at least, how many positions are left, and the strides so far."""


def _walk(layers: tuple[nn.Layer, ...], state: _State) -> _State:
    return reduce(lambda before, layer: _step(layer, before), layers, state)


def _step(layer: nn.Layer, state: _State) -> _State:
    if isinstance(layer, nn.Conv | nn.LocallyConnected):
        need, alive, steps = state
        through = windows(layer, alive)
        reach = [0 if w.wrap else _reach(w.sources(w.outputs), size) for w, size in zip(through, alive, strict=True)]
        left = tuple(window.outputs for window in through)
        after = tuple(step * window.stride for step, window in zip(steps, through, strict=True))
        grown = zip(need, steps, alive, reach, after, left, strict=True)
        return tuple(max(n, s * (a + r), t * o) for n, s, a, r, t, o in grown), left, after
    if isinstance(layer, nn.AvgPool | nn.SumPool):
        need, alive, steps = state
        sizes = blocks_of(windows(layer, alive), alive)
        assert sizes is not None
        left = tuple(size // block for size, block in zip(alive, sizes, strict=True))
        after = tuple(step * block for step, block in zip(steps, sizes, strict=True))
        return tuple(max(n, t * o) for n, t, o in zip(need, after, left, strict=True)), left, after
    if isinstance(layer, nn.Parallel | nn.Residual):
        ends = [_step(member, state) for member in members(layer)]
        return tuple(map(max, zip(*(end[0] for end in ends), strict=True))), *ends[0][1:]
    return _walk(members(layer), state)


def blocks_of(through: tuple[Window, ...], alive: Sizes) -> Sizes | None:
    """The sizes of the blocks that windows part an image into without rest; `None` if they do not."""
    whole = all(
        w.taps == w.stride and w.dilation == 1 and w.low == 0 and size == w.stride * w.outputs
        for w, size in zip(through, alive, strict=True)
    )
    return tuple(window.stride for window in through) if whole else None


def _reach(sources, size: int) -> int:
    return max(-int(sources.min()), int(sources.max()) + 1 - size, 0)


def is_ring(layers: tuple[nn.Layer, ...]) -> bool:
    """Whether a circular convolution is among the layers, or inside one of them."""
    return "ring" in _kinds(layers)


def _kinds(layers: tuple[nn.Layer, ...]) -> set[str]:
    found: set[str] = set()
    for layer in layers:
        if isinstance(layer, nn.Conv | nn.LocallyConnected):
            found.add("ring" if layer.padding == "circular" else "zeros")
        else:
            found |= _kinds(members(layer))
    return found


def row_of_one_grid(layers: tuple[nn.Layer, ...], alive: Sizes) -> tuple[nn.Layer, ...]:
    """The first of some layers that one grid serves: to where circular and other convolutions meet, or pooling not in blocks."""
    row: list[nn.Layer] = []
    for layer in layers:
        if len(_kinds((layer,))) > 1:
            raise NotImplementedError(
                f"{type(layer).__name__} holds both circular and other convolutions, whose kernels before a pooling are not "
                "implemented in one block; give all of them one padding"
            )
        pools = isinstance(layer, nn.AvgPool | nn.SumPool)
        if len(_kinds((*row, layer))) > 1 or (pools and blocks_of(windows(layer, alive), alive) is None):
            break
        row.append(layer)
        alive = _step(layer, (alive, alive, (1,) * len(alive)))[1]
    return tuple(row)
