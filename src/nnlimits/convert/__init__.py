"""Networks of Equinox, Flax NNX and PyTorch as expressions of `nnlimits.nn`.

An expression is in the standard parameterization, as these libraries' networks are, and has the network's widths: its NTK is
the limit of `nnlimits.empirical.ntk` of the network itself, on average over initializations and up to terms of order 1/width.
The language draws weights from normal distributions. At large fan-in only their variances matter; where a network has few
inputs and draws its first weights uniformly, its first units are not Gaussian, and its limit is another one by as much.
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
