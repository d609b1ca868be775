"""Experiments of the literature on mean-field networks: each function returns what `nnlimits.plots` draws."""

from nnlimits.mean_field.experiments.chaos import Chaos, chaos
from nnlimits.mean_field.experiments.isotropic_gaussians import IsotropicGaussians, isotropic_gaussians
from nnlimits.mean_field.experiments.noisy_descent import NoisyDescent, noisy_descent
from nnlimits.mean_field.experiments.regimes import Regimes, regimes
from nnlimits.mean_field.experiments.separation import Separation, separation
from nnlimits.mean_field.experiments.sparse_recovery import SparseRecovery, sparse_recovery
from nnlimits.mean_field.experiments.teacher_student import TeacherStudent, teacher_student

__all__ = [
    "Chaos",
    "IsotropicGaussians",
    "NoisyDescent",
    "Regimes",
    "Separation",
    "SparseRecovery",
    "TeacherStudent",
    "chaos",
    "isotropic_gaussians",
    "noisy_descent",
    "regimes",
    "separation",
    "sparse_recovery",
    "teacher_student",
]
