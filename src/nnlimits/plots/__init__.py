"""Figures. Each function returns a matplotlib `Figure`, made without pyplot, so that no display is needed."""

from nnlimits.plots.calibration import calibration
from nnlimits.plots.catapult import CatapultCurve, catapult
from nnlimits.plots.convergence import Rate, convergence, fit_rate
from nnlimits.plots.edge_of_stability import Sharpening, edge_of_stability
from nnlimits.plots.explanation import explanation
from nnlimits.plots.style import save
from nnlimits.plots.training_curves import training_curves

__all__ = [
    "CatapultCurve",
    "Rate",
    "Sharpening",
    "calibration",
    "catapult",
    "convergence",
    "edge_of_stability",
    "explanation",
    "fit_rate",
    "save",
    "training_curves",
]
