"""Figures. Each function returns a matplotlib `Figure`, made without pyplot, so that no display is needed."""

from nnlimits.plots.calibration import calibration
from nnlimits.plots.catapult import CatapultCurve, catapult
from nnlimits.plots.convergence import Rate, convergence, fit_rate
from nnlimits.plots.coordinate_check import coordinate_check
from nnlimits.plots.edge_of_stability import Sharpening, edge_of_stability
from nnlimits.plots.explanation import explanation
from nnlimits.plots.jacobian_spectrum import jacobian_spectrum
from nnlimits.plots.mean_field import laziness, particles_against_density, propagation_of_chaos
from nnlimits.plots.neurons import animate_neurons, neurons
from nnlimits.plots.phase_diagram import phase_diagram
from nnlimits.plots.propagation import propagation
from nnlimits.plots.style import save
from nnlimits.plots.trainable_depth import trainable_depth
from nnlimits.plots.training_curves import training_curves

__all__ = [
    "CatapultCurve",
    "Rate",
    "Sharpening",
    "animate_neurons",
    "calibration",
    "catapult",
    "convergence",
    "coordinate_check",
    "edge_of_stability",
    "explanation",
    "fit_rate",
    "jacobian_spectrum",
    "laziness",
    "neurons",
    "particles_against_density",
    "phase_diagram",
    "propagation",
    "propagation_of_chaos",
    "save",
    "trainable_depth",
    "training_curves",
]
