"""Networks of Equinox, Flax NNX and PyTorch as expressions of `nnlimits.nn`.

An expression is in the standard parameterization, as these libraries' networks are, and has the network's widths: its NTK
is the limit of `nnlimits.empirical.ntk` of the network itself.
"""

from nnlimits.convert.conversion import Conversion
from nnlimits.convert.entry import channels_last
from nnlimits.convert.equinox_models import from_equinox
from nnlimits.convert.flax_models import from_flax
from nnlimits.convert.rules import equinox_rule, flax_rule, torch_rule
from nnlimits.convert.torch_models import from_torch

__all__ = [
    "Conversion",
    "channels_last",
    "equinox_rule",
    "flax_rule",
    "from_equinox",
    "from_flax",
    "from_torch",
    "torch_rule",
]
