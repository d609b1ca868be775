"""Kernels written in NumPy, for tests that need no network, and points on spheres."""

import numpy as np


def gaussian(x1, x2):
    """`exp(-|x - x'|^2 / 2)`."""
    return np.exp(-((np.asarray(x1)[:, None] - np.asarray(x2)[None]) ** 2).sum(-1) / 2)


def linear(x1, x2):
    return np.asarray(x1) @ np.asarray(x2).T


def arc_cosine(x1, x2):
    """The NNGP of a ReLU layer, its sum of squares as variance (Cho & Saul 2009)."""
    norms = np.linalg.norm(x1, axis=1)[:, None] * np.linalg.norm(x2, axis=1)
    cosine = np.clip(x1 @ x2.T / norms, -1, 1)
    angle = np.arccos(cosine)
    return norms * (np.sin(angle) + (np.pi - angle) * cosine) / np.pi


def on_sphere(generator, n, d, radius=1.0):
    x = generator.standard_normal((n, d))
    return radius * x / np.linalg.norm(x, axis=1, keepdims=True)
