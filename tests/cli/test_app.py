"""The program as a whole: help, version, start-up, the cache of compiled functions, interruptions."""

import os
import signal
import subprocess
import sys
import time

import pytest
import typer

import nnlimits
from nnlimits.cli import environment
from nnlimits.cli.errors import reported


def python(code: str, **variables: str) -> subprocess.CompletedProcess:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=kept | variables, timeout=120, check=False
    )


def test_help_does_not_import_jax():
    result = python(
        "import sys\n"
        "from nnlimits.cli import main\n"
        "sys.argv = ['nnlimits', '--help']\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    heavy = {'jax', 'equinox', 'sklearn', 'matplotlib', 'pandas', 'scipy'} & set(sys.modules)\n"
        "    print('imported:', sorted(heavy))\n"
    )
    assert result.returncode == 0, result.stderr
    assert "imported: []" in result.stdout
    for command in ("demo", "fit", "predict", "explain"):
        assert command in result.stdout


def test_module_runs_as_a_program():
    result = subprocess.run(
        [sys.executable, "-m", "nnlimits", "--version"], capture_output=True, text=True, timeout=60, check=True
    )
    assert result.stdout == f"nnlimits {nnlimits.__version__}\n"


@pytest.mark.parametrize("command", ["demo", "fit", "predict", "explain", "phase", "catapult"])
def test_each_command_has_help(run, command):
    assert "Usage" in run(command, "--help").output


def test_unknown_command(run):
    run("dream", code=2)


def test_compiled_functions_are_kept_where_the_user_wants_them(tmp_path):
    code = (
        "from nnlimits.cli.environment import keep_compiled_functions\n"
        "import os; keep_compiled_functions(); print(os.environ.get('JAX_COMPILATION_CACHE_DIR'))"
    )
    chosen = python(code, JAX_COMPILATION_CACHE_DIR="elsewhere", XDG_CACHE_HOME=str(tmp_path))
    assert chosen.stdout.strip() == "elsewhere"
    default = python(code, XDG_CACHE_HOME=str(tmp_path))
    assert default.stdout.strip() == str(tmp_path / "nnlimits" / "compiled")
    assert (tmp_path / "nnlimits" / "compiled").is_dir()


def test_cache_folder_of_each_system(monkeypatch, tmp_path):
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    assert environment.cache_folder() == tmp_path / ".cache" / "nnlimits"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert environment.cache_folder() == tmp_path / "Library" / "Caches" / "nnlimits"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "Local"))
    assert environment.cache_folder() == tmp_path / "Local" / "nnlimits"


def test_environment_of_a_process_with_jax_is_left_alone(monkeypatch):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    assert "jax" in sys.modules
    environment.keep_compiled_functions()
    assert "JAX_COMPILATION_CACHE_DIR" not in os.environ


def test_cache_that_cannot_be_written_is_done_without(tmp_path):
    (tmp_path / "nnlimits").write_text("a file where the folder should be")
    result = python(
        "from nnlimits.cli.environment import keep_compiled_functions\n"
        "import os; keep_compiled_functions(); print(os.environ.get('JAX_COMPILATION_CACHE_DIR'))",
        XDG_CACHE_HOME=str(tmp_path),
    )
    assert result.stdout.strip() == "None", result.stderr


@pytest.mark.slow
def test_second_run_compiles_nothing(tmp_path):
    """All that the first run compiled is found on disk by the second, which adds nothing."""
    compiled = tmp_path / "nnlimits" / "compiled"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    command = [sys.executable, "-m", "nnlimits", "explain", "mlp", "--activation", "tanh"]
    seconds, entries = [], []
    for _ in range(2):
        start = time.perf_counter()
        subprocess.run(
            command, check=True, capture_output=True, env=environment | {"XDG_CACHE_HOME": str(tmp_path)}, cwd=tmp_path
        )
        seconds.append(time.perf_counter() - start)
        entries.append(sum(path.name.endswith("-cache") for path in compiled.iterdir()))
    print(f"first run {seconds[0]:.1f} s, second {seconds[1]:.1f} s, {entries[0]} functions kept")
    assert entries[0] == entries[1] > 0
    assert seconds[1] < seconds[0]


@pytest.fixture
def interruptible():
    """SIGINT raises KeyboardInterrupt, whatever the tests have been started from."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interruption_that_python_ignores_comes_again():
    class Ignored:
        def __del__(self):
            raise KeyboardInterrupt

    @reported()
    def command():
        Ignored()
        time.sleep(10)

    with pytest.raises(typer.Exit) as ended:
        command()
    assert ended.value.exit_code == 130


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
def test_interruption_ends_cleanly(tmp_path):
    command = [sys.executable, "-m", "nnlimits", "demo", "--output", str(tmp_path / "figures")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(4)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "interrupted" in errors
    assert "Traceback" not in output + errors
    assert not list((tmp_path / "figures").glob("*partial*"))
