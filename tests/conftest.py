"""Fixtures that all tests share."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
COMPILED = "JAX_COMPILATION_CACHE_DIR"


def pytest_configure(config: pytest.Config) -> None:
    """What is compiled is kept for the length of the run, for all its processes: most of the time of tests is compilation.

    For the same reason the default run compiles with few optimisations; slow tests have them all, as users do. Where several
    processes share the cores, each keeps to one thread of linear algebra: more wait for each other.
    """
    if getattr(config.option, "numprocesses", None):
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if COMPILED not in os.environ:
        os.environ[COMPILED] = tempfile.mkdtemp(prefix="nnlimits-compiled-")
        config.add_cleanup(lambda: shutil.rmtree(os.environ.pop(COMPILED), ignore_errors=True))
    jax.config.update("jax_compilation_cache_dir", os.environ[COMPILED])
    for name, value in {
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
        "jax_disable_most_optimizations": config.getoption("markexpr") == "not slow",
    }.items():
        jax.config.update(name, value)
        os.environ[name.upper()] = str(value)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of reference values and data sets beside the repository; without it, the test is skipped."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the shared data folder, ../shared/data from the repository's root, is absent")
    return SHARED_DATA


@pytest.fixture
def x64() -> Iterator[None]:
    """Double precision within the test."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def optimized() -> Iterator[None]:
    """All of the compiler's optimisations, for a test that computes for longer than it compiles."""
    before = jax.config.values["jax_disable_most_optimizations"]
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Cases of `long_cases.txt` are slow ones: those that were measured to take longest, where others test the same function."""
    long = set((Path(__file__).parent / "long_cases.txt").read_text().splitlines())
    for item in items:
        if item.nodeid in long:
            item.add_marker(pytest.mark.slow)
