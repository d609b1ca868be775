"""What the entries of an example are to a network: channels to be standardised, or tokens, edges and padding to be left alone."""

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float

from nnlimits import nn
from nnlimits.estimators.standardization import Standardization, identity, standardization
from nnlimits.kernels.first_layers import opened, takes_tokens, unwrapped

Examples = Float[np.ndarray, "n ..."]

_STEP = 1e-9
"""How far a standardised position is moved that would otherwise read as padding."""


class Layout(eqx.Module):
    """How a network reads examples: from its first layers, `Masked`, `GraphNetwork` and `Embedding`."""

    masked: nn.Masked | None
    """The layer that says which positions are padding."""
    edges: int = eqx.field(static=True)
    """The first channels are so many columns of an adjacency matrix."""
    hidden: int = eqx.field(static=True)
    """So many of the first channels are not seen by `masked`."""
    tokens: bool = eqx.field(static=True)

    @property
    def plain(self) -> bool:
        """Whether all entries are channels at positions that are there."""
        return self.masked is None and not self.edges and not self.tokens

    def padding(self, x: Examples) -> Bool[np.ndarray, "n *positions"] | None:
        """Where positions are padding; `None` if they cannot be.

        **Raises:** `ValueError` if all positions of an example are.
        """
        return None if self.masked is None else np.asarray(self.masked.mask(x[..., self.hidden :]))


class InputStandardization(eqx.Module):
    """The standardisation of the channels of examples; tokens, edges and padding stay exactly as they are."""

    layout: Layout
    channels: Standardization

    def apply(self, x: Examples) -> Examples:
        """Standardised examples."""
        if self.layout.tokens:
            return x
        padding, z = self.layout.padding(x), self.channels.apply(x)
        if padding is None or self.layout.masked is None:
            return z
        value = self.layout.masked.value
        # what is there must not read as padding, as where a channel is constant and so standardised to zero
        taken = (z[..., self.layout.hidden :] == value).all(-1) & ~padding
        z[taken, -1] += _STEP * max(1.0, abs(value))
        return np.where(padding[..., None], x, z)

    def weighed(self, relevance: Float[np.ndarray, " channels"]) -> "InputStandardization":
        """With each channel multiplied by its relevance afterwards."""
        scale = self.channels.scale / relevance
        return InputStandardization(self.layout, Standardization(self.channels.mean, scale))


def layout(network: nn.Layer, input_shape: tuple[int, ...]) -> Layout:
    """How a network that takes examples of `input_shape` reads them."""
    masked, edges, hidden = None, 0, 0
    for wrapper in opened(network)[0]:
        if isinstance(wrapper, nn.GraphNetwork):
            edges = input_shape[0]
        else:
            masked, hidden = wrapper, edges
    return Layout(masked, edges, hidden, reads_tokens(network))


def reads_tokens(network: nn.Layer) -> bool:
    """Whether examples are numbers of tokens, (*positions) without channels."""
    return takes_tokens(unwrapped(network))


def input_standardization(x: Examples, entries: Layout) -> InputStandardization:
    """The map that gives each channel mean zero and unit variance over all examples and positions that are there; of graphs, a
    constant channel is only scaled.
    """
    if entries.tokens:
        return unstandardized(x, entries)
    padding = entries.padding(x)
    rows = x.reshape(-1, x.shape[-1]) if padding is None else x[~padding]
    found = standardization(rows)
    mean, scale = found.mean, found.scale
    mean[: entries.edges], scale[: entries.edges] = 0.0, 1.0
    if entries.edges:  # nodes that are all alike tell graphs apart by their edges: a channel of zeros would not
        alike = (rows == rows[0]).all(0) & (rows[0] != 0) & (np.arange(len(mean)) >= entries.edges)
        mean[alike], scale[alike] = 0.0, abs(rows[0, alike])
    return InputStandardization(entries, Standardization(mean, scale))


def unstandardized(x: Examples, entries: Layout) -> InputStandardization:
    """The map that changes nothing."""
    return InputStandardization(entries, identity(x.shape[-1]))
