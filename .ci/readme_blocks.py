"""The README as a test: run its examples, or print one of its commands.

    python .ci/readme_blocks.py                        run the examples
    python .ci/readme_blocks.py --print test-command   print the block that follows <!-- test-command -->

Blocks fenced as ```python run in order, in this process and one namespace; of the blocks fenced as ```console, the
lines that begin with `$ nnlimits` run in a shell. All run in one temporary working folder. A block that follows the
comment <!-- not run --> is left out.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import typing

README = pathlib.Path(__file__).resolve().parent.parent / "README.md"
FENCE = re.compile(
    r"^(?:<!--[ ]*(?P<marker>[\w -]+?)[ ]*-->\s*\n)?```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^```[ ]*$",
    re.MULTILINE | re.DOTALL,
)


class Block(typing.NamedTuple):
    """One fenced block, the line of the README its code begins on, and the comment before it."""

    language: str
    code: str
    line: int
    marker: str | None


def blocks(text: str) -> list[Block]:
    """All fenced blocks of a Markdown text, in order."""
    found = []
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start("code")) + 1
        found.append(Block(match["language"], match["code"], line, match["marker"]))
    return found


def print_command(marker: str) -> None:
    """Print the one block marked `marker`, without prompts, for a shell to run."""
    marked = [block for block in blocks(README.read_text()) if block.marker == marker]
    if len(marked) != 1:
        sys.exit(f"{README.name} has {len(marked)} blocks marked <!-- {marker} -->; it needs one")
    print("\n".join(line.removeprefix("$ ") for line in marked[0].code.strip().splitlines()))


def run_python(block: Block, namespace: dict) -> None:
    """Execute a block in `namespace`; line numbers in a traceback are those of the README."""
    exec(compile("\n" * (block.line - 1) + block.code, str(README), "exec"), namespace)


def run_console(block: Block) -> None:
    """Run the block's `$ nnlimits` lines in a shell, each of which must succeed."""
    for line in block.code.splitlines():
        if line.startswith("$ nnlimits"):
            subprocess.run(line.removeprefix("$ "), shell=True, check=True, stdin=subprocess.DEVNULL)


def run_examples() -> int:
    """Run every example; the number that failed. Python blocks build on each other, so the first failure ends them."""
    runnable = [block for block in blocks(README.read_text()) if block.language in ("python", "console")]
    os.environ.setdefault("MPLBACKEND", "Agg")
    namespace = {"__name__": "__main__"}
    home = os.getcwd()
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    try:
        for block in runnable:
            where = f"{README.name}:{block.line} ({block.language})"
            if block.marker == "not run":
                print(f"{where}: left out")
                continue
            print(f"{where}: running", flush=True)
            start = time.perf_counter()
            try:
                run_python(block, namespace) if block.language == "python" else run_console(block)
            except (Exception, SystemExit):
                traceback.print_exc()
                print(f"{where}: FAILED", flush=True)
                return 1
            print(f"{where}: passed in {time.perf_counter() - start:.1f} s", flush=True)
    finally:
        os.chdir(home)
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{len(runnable)} examples")
    return 0


def main() -> int:
    """Do what the command line asks; the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--print", metavar="MARKER")
    options = parser.parse_args()
    if options.print:
        print_command(options.print)
        return 0
    return run_examples()


if __name__ == "__main__":
    sys.exit(main())
