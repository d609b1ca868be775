"""Infinite width with feature learning: a network is a distribution of neurons, and training moves it."""

from nnlimits.mean_field.certificate import Certificate, certificate
from nnlimits.mean_field.conic import conic_flow
from nnlimits.mean_field.course import Course
from nnlimits.mean_field.descent import descent, observed, sgd
from nnlimits.mean_field.flow import flow
from nnlimits.mean_field.gaussian_data import GaussianClasses, QuadraticRisk, Teacher
from nnlimits.mean_field.language import neurons_of, parameters_of, two_layer
from nnlimits.mean_field.laws import GaussianMixture, Law, Sphere, gaussian
from nnlimits.mean_field.neurons import Neurons
from nnlimits.mean_field.risk import EmpiricalRisk, Risk
from nnlimits.mean_field.stability import largest_stable_step
from nnlimits.mean_field.two_layer import TwoLayer
from nnlimits.mean_field.units import Units

__all__ = [
    "Certificate",
    "Course",
    "EmpiricalRisk",
    "GaussianClasses",
    "GaussianMixture",
    "Law",
    "Neurons",
    "QuadraticRisk",
    "Risk",
    "Sphere",
    "Teacher",
    "TwoLayer",
    "Units",
    "certificate",
    "conic_flow",
    "descent",
    "flow",
    "gaussian",
    "largest_stable_step",
    "neurons_of",
    "observed",
    "parameters_of",
    "sgd",
    "two_layer",
]
