"""Counting without drawing."""

import math

import pytest

from nnlimits import nn


def test_counts_every_weight_and_bias():
    net = nn.Sequential(nn.Flatten(), nn.Dense(5), nn.Residual(nn.Dense(5)), nn.Repeat(nn.Dense(5), 3), nn.Dense(2))
    assert nn.count_parameters(net, (2, 3)) == (6 * 5 + 5) + 4 * (5 * 5 + 5) + (5 * 2 + 2)


def test_counts_over_positions():
    net = nn.Sequential(
        nn.Conv(4, 3),
        nn.LocallyConnected(5, (1, 3)),
        nn.PositionalEmbedding(),
        nn.SelfAttention(6, 2, 3, 4),
        nn.Flatten(),
    )
    convolutions = (9 * 2 * 4 + 4) + 30 * (3 * 4 * 5 + 5)
    attention = 2 * (2 * 5 * 3) + 2 * 5 * 4 + 2 * 4 * 6 + 6
    assert nn.count_parameters(net, (5, 6, 2)) == convolutions + 30 * 5 + attention


def test_draws_nothing():
    assert nn.count_parameters(nn.Dense(10_000_000), (10_000,)) == 10_001 * 10_000_000


def test_no_parameters():
    assert nn.count_parameters(nn.Relu(), (3,)) == 0


def test_infinite_depth_has_no_count():
    with pytest.raises(NotImplementedError, match="no finite network"):
        nn.count_parameters(nn.Repeat(nn.Dense(3), math.inf), (3,))
