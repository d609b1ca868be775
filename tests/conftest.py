"""Fixtures that all tests share."""

from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Cases of `long_cases.txt` are slow ones: those that were measured to take longest, where others test the same function."""
    long = set((Path(__file__).parent / "long_cases.txt").read_text().splitlines())
    for item in items:
        if item.nodeid in long:
            item.add_marker(pytest.mark.slow)
