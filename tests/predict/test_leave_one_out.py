import numpy as np
import pytest
from scipy.stats import norm

import nnlimits as nl


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("vector", [False, True])
def test_equals_refitting_without_each_example(kernel, data, noise, vector):
    y = data.y[:, 0] if vector else data.y
    loo = nl.posterior(kernel, data.x, y, noise=noise).loo()
    for i in range(len(y)):
        rest = np.arange(len(y)) != i
        refit = nl.posterior(kernel, data.x[rest], y[rest], noise=noise)
        mean, std = np.asarray(refit.mean(data.x[i : i + 1]))[0], float(refit.observation_std(data.x[i : i + 1])[0])
        np.testing.assert_allclose(loo.mean[i], mean, rtol=1e-10)
        np.testing.assert_allclose(loo.variance[i], std**2, rtol=1e-10)
        np.testing.assert_allclose(loo.log_density[i], norm.logpdf(y[i], mean, std), rtol=1e-10)
