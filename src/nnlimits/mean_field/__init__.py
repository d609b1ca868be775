"""Infinite width with feature learning: a network is a distribution of neurons, and training moves it."""

from nnlimits.mean_field.certificate import Certificate, certificate
from nnlimits.mean_field.conic import conic_flow
from nnlimits.mean_field.convergence import Convergence, convergence, sgd_convergence
from nnlimits.mean_field.course import Course
from nnlimits.mean_field.density import DensityCourse, density_flow
from nnlimits.mean_field.descent import descent, observed, sgd
from nnlimits.mean_field.distance import sliced_wasserstein, wasserstein
from nnlimits.mean_field.embedding import Embedding, gauss_hermite
from nnlimits.mean_field.entropy import entropy, free_energy
from nnlimits.mean_field.flow import flow
from nnlimits.mean_field.gaussian_data import GaussianClasses, QuadraticRisk, Teacher
from nnlimits.mean_field.gibbs import gibbs
from nnlimits.mean_field.grid import Grid
from nnlimits.mean_field.langevin import langevin
from nnlimits.mean_field.language import neurons_of, parameters_of, two_layer
from nnlimits.mean_field.laws import GaussianMixture, Law, Sphere, gaussian
from nnlimits.mean_field.layered import Layered, Rates
from nnlimits.mean_field.layered_convergence import layered_convergence
from nnlimits.mean_field.layered_flow import LayeredCourse, layered_descent, layered_flow
from nnlimits.mean_field.layered_language import embedding_of, layered_of, network_of
from nnlimits.mean_field.lazy import LazyTraining, ScaledRisk, lazy_training, tangent_kernel
from nnlimits.mean_field.log_sobolev import LogSobolev, data_oscillation, log_sobolev
from nnlimits.mean_field.neurons import Neurons
from nnlimits.mean_field.potential import Confined
from nnlimits.mean_field.radial import Radial, radial_classes
from nnlimits.mean_field.risk import EmpiricalRisk, Risk
from nnlimits.mean_field.stability import largest_stable_step
from nnlimits.mean_field.two_layer import TwoLayer
from nnlimits.mean_field.units import Units
from nnlimits.rates import FittedRate, fitted_rate

__all__ = [
    "Certificate",
    "Confined",
    "Convergence",
    "Course",
    "DensityCourse",
    "Embedding",
    "EmpiricalRisk",
    "FittedRate",
    "GaussianClasses",
    "GaussianMixture",
    "Grid",
    "Law",
    "Layered",
    "LayeredCourse",
    "LazyTraining",
    "LogSobolev",
    "Neurons",
    "QuadraticRisk",
    "Radial",
    "Rates",
    "Risk",
    "ScaledRisk",
    "Sphere",
    "Teacher",
    "TwoLayer",
    "Units",
    "certificate",
    "conic_flow",
    "convergence",
    "data_oscillation",
    "density_flow",
    "descent",
    "embedding_of",
    "entropy",
    "fitted_rate",
    "flow",
    "free_energy",
    "gauss_hermite",
    "gaussian",
    "gibbs",
    "langevin",
    "largest_stable_step",
    "layered_convergence",
    "layered_descent",
    "layered_flow",
    "layered_of",
    "lazy_training",
    "log_sobolev",
    "network_of",
    "neurons_of",
    "observed",
    "parameters_of",
    "radial_classes",
    "sgd",
    "sgd_convergence",
    "sliced_wasserstein",
    "tangent_kernel",
    "two_layer",
    "wasserstein",
]
