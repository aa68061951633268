"""What benchmarks print."""

import pytest

from benchmarks import table


def test_a_row_says_whether_its_goal_is_met(capsys):
    table.header("what")
    table.row("step", "10.0 ms", "20.0 ms", 0.5, "<= 1")
    table.row("speed", "90/s", "100/s", 0.9, ">= 0.95")
    table.row("memory", "1 MB", "2 MB", 0.5)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "what ours reference ratio goal",
        "step 10.0 ms 20.0 ms 0.5 <= 1 met",
        "speed 90/s 100/s 0.9 >= 0.95 MISSED",
        "memory 1 MB 2 MB 0.5",
    ]


def test_a_goal_of_another_form_is_refused():
    with pytest.raises(ValueError, match="Received: goal='about 1'"):
        table.is_met(1.0, "about 1")


def test_functions_are_timed_in_turns():
    calls = []
    functions = [lambda: calls.append("a"), lambda: calls.append("b")]
    seconds = table.median_seconds(functions, repeats=2, warmups=1)
    assert calls == ["a", "b"] * 3
    assert len(seconds) == 2
    assert all(second >= 0 for second in seconds)
