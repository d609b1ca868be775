"""Figures. Each function returns a matplotlib `Figure`, made without pyplot, so that no display is needed."""

from nnlimits.plots.calibration import calibration
from nnlimits.plots.convergence import Rate, convergence, fit_rate
from nnlimits.plots.coordinate_check import coordinate_check
from nnlimits.plots.explanation import explanation
from nnlimits.plots.style import save
from nnlimits.plots.training_curves import training_curves

__all__ = [
    "Rate",
    "calibration",
    "convergence",
    "coordinate_check",
    "explanation",
    "fit_rate",
    "save",
    "training_curves",
]
