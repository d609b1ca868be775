"""Where each side runs: the peer in a virtual environment of its own, ours in the benchmark's own interpreter."""

import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import venv

HERE = pathlib.Path(__file__).resolve().parent
PEER_FOLDER = HERE / "environments" / "neural-tangents-0.6.5"
PEER_REQUIREMENTS = (
    "jax==0.5.3",
    "jaxlib==0.5.3",
    "scipy==1.13.1",
    "numpy<2.3",
    "frozendict",
    "typing_extensions",
    "absl-py",
)
PEER_ITSELF = "neural-tangents==0.6.5"
PEER_VARIABLE = "NNLIMITS_PEER_PYTHON"


def peer_python(report=print) -> str:
    """The interpreter of the peer's environment, which is built on first use.

    The environment variable `NNLIMITS_PEER_PYTHON` may name an interpreter that already has the packages.
    """
    if given := os.environ.get(PEER_VARIABLE):
        if shutil.which(given) is None:
            raise FileNotFoundError(f"{PEER_VARIABLE}={given} is not an executable")
        return given
    python = PEER_FOLDER / ("Scripts" if os.name == "nt" else "bin") / "python"
    finished = PEER_FOLDER / "finished"
    if not finished.exists():
        if sys.version_info >= (3, 13):
            raise RuntimeError("the peer's scipy 1.13.1 has no build for Python 3.13; run with Python 3.11 or 3.12")
        report(f"building the peer's environment in {PEER_FOLDER.relative_to(HERE.parent)}")
        shutil.rmtree(PEER_FOLDER, ignore_errors=True)
        venv.create(PEER_FOLDER, with_pip=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, *PEER_REQUIREMENTS], check=True, stdin=subprocess.DEVNULL)
        # Its declared requirements include TensorFlow, which no kernel uses.
        subprocess.run([*install, "--no-deps", PEER_ITSELF], check=True, stdin=subprocess.DEVNULL)
        finished.touch()
    return str(python)


def our_environment() -> dict[str, str]:
    """Environment variables for our process: the source tree is put on the path where the package is not installed."""
    variables = dict(os.environ)
    if importlib.util.find_spec("nnlimits") is None:
        variables["PYTHONPATH"] = os.pathsep.join(
            filter(None, [str(HERE.parent / "src"), variables.get("PYTHONPATH", "")])
        )
    return variables


def peer_environment() -> dict[str, str]:
    """Environment variables for the peer's process: ours without what would put our packages on its path."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
