"""Fully connected networks of the tests."""

from nnlimits import nn


def mlp(widths, activation, w_std, b_std=None, outputs=1, parameterization="ntk"):
    layers = [word for width in widths for word in (nn.Dense(width, w_std, b_std), activation)]
    return nn.Sequential(*layers, nn.Dense(outputs, w_std, b_std), parameterization=parameterization)
