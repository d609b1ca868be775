"""Ready-made networks."""

from nnlimits.presets.convolutional import cnn, myrtle, wide_resnet
from nnlimits.presets.fully_connected import mlp
from nnlimits.presets.graphs import gcn
from nnlimits.presets.sequences import rnn, transformer_encoder

__all__ = ["cnn", "gcn", "mlp", "myrtle", "rnn", "transformer_encoder", "wide_resnet"]

NAMED = {preset.__name__: preset for preset in (mlp, cnn, wide_resnet, myrtle, rnn, transformer_encoder, gcn)}
"""All presets, by name."""
