"""The one way in which benchmarks measure and print: interleaved runs, medians, a row of ratios."""

import statistics
import time
from collections.abc import Callable, Sequence

_COLUMNS = (56, 12, 18, 8, 8)


def _line(*cells: str) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, _COLUMNS, strict=False)]
    return "  ".join([*padded, *cells[len(_COLUMNS) :]]).rstrip()


def header(name: str) -> None:
    """Prints the title of the columns; the first column is what is compared."""
    print(_line(name, "ours", "reference", "ratio", "goal"), flush=True)


def is_met(ratio: float, goal: str) -> bool:
    """Whether a ratio meets a goal, such as ">= 0.95" or "<= 1".

    Raises:
      ValueError: the goal is not of that form.
    """
    relation, _, bound = goal.partition(" ")
    if relation not in (">=", "<="):
        raise ValueError(f'a goal is ">= NUMBER" or "<= NUMBER". Received: goal={goal!r}')
    return ratio >= float(bound) if relation == ">=" else ratio <= float(bound)


def row(name: str, value: str, reference: str, ratio: float, goal: str = "") -> None:
    """Prints one comparison.

    Args:
      name: what is compared.
      value: ours, with its unit: "12.3 ms".
      reference: what it is compared with, with its unit.
      ratio: of the two, in the sense that the goal is meant.
      goal: ">= 0.95" or "<= 1", and the row says whether it is met; "" for a figure without a goal.
    """
    verdict = "" if not goal else "met" if is_met(ratio, goal) else "MISSED"
    print(_line(name, value, reference, f"{ratio:.4g}", goal, verdict), flush=True)


def seconds(
    functions: Sequence[Callable[[], object]], repeats: int, warmups: int = 3
) -> list[list[float]]:
    """The times of each function, in seconds.

    They run in turns, so that what else the machine does falls on all of them alike.
    """
    times: list[list[float]] = [[] for _ in functions]
    for repeat in range(warmups + repeats):
        for function, kept in zip(functions, times, strict=True):
            began = time.perf_counter()
            function()
            if repeat >= warmups:
                kept.append(time.perf_counter() - began)
    return times


def median_seconds(
    functions: Sequence[Callable[[], object]], repeats: int = 21, warmups: int = 3
) -> list[float]:
    """The median time of each function, in seconds, as `seconds` measures."""
    return [statistics.median(times) for times in seconds(functions, repeats, warmups)]
