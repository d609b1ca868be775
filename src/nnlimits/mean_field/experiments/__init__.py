"""Experiments of the literature on mean-field networks: each function returns what `nnlimits.plots` draws."""

from nnlimits.mean_field.experiments.against_particles import AgainstParticles, against_particles
from nnlimits.mean_field.experiments.chaos import Chaos, chaos
from nnlimits.mean_field.experiments.feature_learning import FeatureLearning, Learned, feature_learning, two_classes
from nnlimits.mean_field.experiments.isotropic_gaussians import IsotropicGaussians, isotropic_gaussians
from nnlimits.mean_field.experiments.noisy_descent import NoisyDescent, noisy_descent
from nnlimits.mean_field.experiments.refinement import Refinement, refinement
from nnlimits.mean_field.experiments.regimes import Regimes, regimes
from nnlimits.mean_field.experiments.separation import Separation, separation
from nnlimits.mean_field.experiments.sparse_recovery import SparseRecovery, sparse_recovery
from nnlimits.mean_field.experiments.teacher_student import TeacherStudent, teacher_student
from nnlimits.mean_field.experiments.three_layers import ThreeLayers, three_layers

__all__ = [
    "AgainstParticles",
    "Chaos",
    "FeatureLearning",
    "IsotropicGaussians",
    "Learned",
    "NoisyDescent",
    "Refinement",
    "Regimes",
    "Separation",
    "SparseRecovery",
    "TeacherStudent",
    "ThreeLayers",
    "against_particles",
    "chaos",
    "feature_learning",
    "isotropic_gaussians",
    "noisy_descent",
    "refinement",
    "regimes",
    "separation",
    "sparse_recovery",
    "teacher_student",
    "three_layers",
    "two_classes",
]
