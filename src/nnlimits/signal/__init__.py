"""Infinite width, depth as time: how the variance, the correlation and the gradients of a signal go through a network."""

from nnlimits.signal.block import repeated_block
from nnlimits.signal.criticality import CriticalPoint, critical, critical_point
from nnlimits.signal.fixed_point import FixedPoint, fixed_point
from nnlimits.signal.jacobian import JacobianMoments, JacobianSpectrum, jacobian_moments, jacobian_spectrum
from nnlimits.signal.maps import BlockMap
from nnlimits.signal.orthogonal import orthogonal_init
from nnlimits.signal.phase_diagram import PhaseDiagram, phase_diagram
from nnlimits.signal.propagation import Propagation, propagate

__all__ = [
    "BlockMap",
    "CriticalPoint",
    "FixedPoint",
    "JacobianMoments",
    "JacobianSpectrum",
    "PhaseDiagram",
    "Propagation",
    "critical",
    "critical_point",
    "fixed_point",
    "jacobian_moments",
    "jacobian_spectrum",
    "orthogonal_init",
    "phase_diagram",
    "propagate",
    "repeated_block",
]
