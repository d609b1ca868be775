"""The package as a whole: what importing it costs, its names, its version, its types."""

import importlib.metadata
import importlib.resources
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import nnlimits as nl

HEAVY = {
    "jax",
    "equinox",
    "diffrax",
    "optimistix",
    "scipy",
    "sklearn",
    "pandas",
    "matplotlib",
    "numpy",
    "typer",
    "rich",
}
USED_BY_KERNELS = {"jax", "equinox", "numpy", "scipy"}
"""What `nn` and `kernels` may import; JAX itself imports SciPy."""


def modules_after(code: str) -> set[str]:
    """Which of the heavy packages a fresh process has imported after `code`."""
    report = f"\nimport sys\nprint('imported:', *sorted(set(sys.modules) & {HEAVY!r}))"
    result = subprocess.run(
        [sys.executable, "-c", code + report], capture_output=True, text=True, timeout=120, check=True
    )
    return set(result.stdout.splitlines()[-1].split()[1:])


def test_import_is_light():
    assert modules_after("import nnlimits") == set()
    assert modules_after("import nnlimits; nnlimits.__version__, dir(nnlimits), nnlimits.__all__") == set()


def test_the_language_and_kernels_import_nothing_they_do_not_use():
    code = (
        "import nnlimits as nl\nfrom nnlimits import nn\nnl.kernel(nn.Sequential(nn.Dense(1), nn.Relu(), nn.Dense(1)))"
    )
    assert modules_after(code) <= USED_BY_KERNELS


def test_help_of_the_program_needs_no_jax():
    code = (
        "import runpy, sys\n"
        "sys.argv = ['nnlimits', '--help']\n"
        "try:\n"
        "    runpy.run_module('nnlimits', run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        "else:\n"
        "    raise AssertionError('the program did not end by itself')\n"
    )
    assert modules_after(code) <= {"typer", "rich"}


@pytest.mark.parametrize("name", nl.__all__)
def test_each_public_name_is_one_object(name):
    first = getattr(nl, name)
    assert getattr(nl, name) is first
    namespace = {}
    exec(f"from nnlimits import {name}", namespace)
    assert namespace[name] is first


def test_names_stay_what_they_are_whatever_is_imported():
    """A submodule that is imported becomes an attribute of its package, which must not hide a function of its name."""
    code = (
        "import importlib, pkgutil, types, nnlimits as nl\n"
        "for module in pkgutil.walk_packages(nl.__path__, 'nnlimits.'):\n"
        "    if module.name.endswith('__main__'):\n"
        "        continue\n"
        "    try:\n"
        "        importlib.import_module(module.name)\n"
        "    except ModuleNotFoundError as error:  # an extra that is not installed\n"
        "        assert error.name.split('.')[0] in {'torch', 'flax'}, error\n"
        "packages = {'compute', 'convert', 'datasets', 'empirical', 'estimators', 'kernels', 'nn', 'plots', 'predict'}\n"
        "packages |= {'presets', 'signal', 'fluctuations', 'infinite_depth', 'mean_field', 'training'}\n"
        "packages |= {'approximation', 'random_features', 'rkhs'}\n"
        "found = {name for name in nl.__all__ if isinstance(getattr(nl, name), types.ModuleType)}\n"
        "assert found == packages, found ^ packages\n"
        "for package in packages:\n"
        "    module = getattr(nl, package)\n"
        "    hidden = [n for n in getattr(module, '__all__', ()) if isinstance(getattr(module, n), types.ModuleType)]\n"
        "    assert not hidden, (package, hidden)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_all_lists_each_name_once_and_dir_agrees():
    assert len(set(nl.__all__)) == len(nl.__all__)
    assert sorted(nl.__all__) == sorted(dir(nl))


def test_unknown_name():
    with pytest.raises(AttributeError, match="module 'nnlimits' has no attribute 'kernal'"):
        nl.kernal  # noqa: B018


def test_version_is_that_of_the_installed_package():
    try:
        installed = importlib.metadata.version("nnlimits")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("nnlimits is not installed, only on the path")
    assert nl.__version__ == installed


def test_version_is_that_of_the_project():
    path = Path(__file__).resolve().parents[1] / "pyproject.toml"
    assert tomllib.loads(path.read_text())["project"]["version"] == nl.__version__


def test_types_are_public():
    path = Path(__file__).resolve().parents[1] / "pyproject.toml"
    claimed = "Typing :: Typed" in tomllib.loads(path.read_text())["project"]["classifiers"]
    assert claimed == importlib.resources.files("nnlimits").joinpath("py.typed").is_file()
