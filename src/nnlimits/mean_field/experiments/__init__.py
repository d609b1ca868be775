"""Experiments of the literature on mean-field networks: each function returns what `nnlimits.plots` draws."""

from nnlimits.mean_field.experiments.against_particles import AgainstParticles, against_particles
from nnlimits.mean_field.experiments.isotropic_gaussians import IsotropicGaussians, isotropic_gaussians
from nnlimits.mean_field.experiments.noisy_descent import NoisyDescent, noisy_descent
from nnlimits.mean_field.experiments.refinement import Refinement, refinement
from nnlimits.mean_field.experiments.separation import Separation, separation
from nnlimits.mean_field.experiments.sparse_recovery import SparseRecovery, sparse_recovery
from nnlimits.mean_field.experiments.teacher_student import TeacherStudent, teacher_student

__all__ = [
    "AgainstParticles",
    "IsotropicGaussians",
    "NoisyDescent",
    "Refinement",
    "Separation",
    "SparseRecovery",
    "TeacherStudent",
    "against_particles",
    "isotropic_gaussians",
    "noisy_descent",
    "refinement",
    "separation",
    "sparse_recovery",
    "teacher_student",
]
