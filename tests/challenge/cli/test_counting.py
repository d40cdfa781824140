import io

from challenge.cli.counting import counting


def test_without_a_terminal_a_line_every_ten_seconds() -> None:
    log = io.StringIO()
    times = iter([0.0, 4.0, 11.0, 11.0, 15.0, 21.5, 21.5])
    with counting("cases checked", log, lambda: next(times)) as progress:
        for done in range(1, 5):
            progress(done, 9)
    assert log.getvalue().splitlines() == ["2 of 9 cases checked", "4 of 9 cases checked"]


def test_on_a_terminal_a_bar() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    with counting("cases checked", terminal) as progress:
        progress(9, 9)
    assert "cases checked" in terminal.getvalue() and "9/9" in terminal.getvalue()
