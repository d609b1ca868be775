"""Tables for the terminal."""

from rich.console import Console

from nnlimits.cli.tables import Column, numbers


def lines(table, width: int = 60) -> list[str]:
    console = Console(width=width, highlight=False)
    with console.capture() as captured:
        console.print(table)
    return [line.rstrip() for line in captured.get().splitlines()]


def test_a_title_longer_than_the_columns_stays_on_one_line():
    title = "Parameters, with 64 inputs and more"
    assert lines(numbers(title, "width", [Column("n", "d")], [("8", [3])]))[0] == title


def test_a_title_longer_than_the_terminal_breaks():
    table = lines(numbers("long " * 20, "width", [Column("n", "d")], [("8", [3])]), width=40)
    assert max(map(len, table)) <= 40


def test_forms_and_absent_numbers():
    columns = [Column("a", ".1f"), Column("b", ".0%")]
    found = lines(numbers("t", "name", columns, [("first", [1.25, 0.5]), ("second", [float("nan"), 1.0])]))
    assert [line.split() for line in found if "first" in line or "second" in line] == [
        ["first", "1.2", "50%"],
        ["second", "-", "100%"],
    ]


def test_zero_has_no_sign():
    assert list(numbers("t", "name", [Column("a", ".4f")], [("p", [-1e-9])]).columns[1].cells) == ["0.0000"]


def test_the_best_of_a_column_is_bold_and_nan_never_is():
    rows = [("p", [0.5, 3.0]), ("q", [0.9, float("nan")]), ("r", [0.1, 2.0])]
    table = numbers("t", "name", [Column("score", ".1f", max), Column("loss", ".1f", min)], rows)
    cells = [list(column.cells) for column in table.columns[1:]]
    assert cells == [["0.5", "[bold]0.9[/bold]", "0.1"], ["3.0", "-", "[bold]2.0[/bold]"]]
