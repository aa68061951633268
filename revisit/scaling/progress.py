"""How far a study is, and how long the rest will take."""

import statistics
from collections.abc import Mapping, Sequence

from revisit.scaling.axes import is_of_model
from revisit.scaling.grid import Run
from revisit.training.logs import duration_text

_ALL = "all"


def _kind(run: Run) -> tuple:
    """What runs share whose steps take equally long."""
    model = [(field, value) for field, value in run.settings.items() if is_of_model(field)]
    return run.transfer, *model


class Progress:
    """Which runs are made, and from the time that their steps took, the time of those left."""

    def __init__(self, runs: Sequence[Run], left: Sequence[Run], steps: Mapping[str, int]) -> None:
        """Args:
        runs: all that a process makes.
        left: those of them that aren't finished yet.
        steps: of each run that is left, by its name.
        """
        self._runs, self._steps = runs, steps
        self.left = list(left)
        self._seconds_a_step: dict[tuple, list[float]] = {}

    @property
    def num_done(self) -> int:
        """Runs that are finished."""
        return len(self._runs) - len(self.left)

    def note(self, run: Run, seconds: float) -> None:
        """A run that was left has been made, in so many seconds."""
        self.left.remove(run)
        rates = self._seconds_a_step.setdefault(_kind(run), [])
        rates.append(seconds / self._steps[run.name])

    def eta(self, runs: Sequence[Run] | None = None) -> str:
        """The time of runs, of all that are left unless given; "?" before the first was made.

        A kind of which no run was made yet is taken for the mean of the others.
        """
        everything = [rate for rates in self._seconds_a_step.values() for rate in rates]
        if not everything:
            return "?"
        left = self.left if runs is None else runs
        rates = (self._seconds_a_step.get(_kind(run), everything) for run in left)
        each = zip(left, rates, strict=True)
        return duration_text(
            sum(self._steps[run.name] * statistics.fmean(rate) for run, rate in each)
        )

    def table(self) -> str:
        """A line for each kind of run and one for all: how many are finished, and the time left."""
        names = {run.name: run.transfer or run.mode for run in self._runs}
        lines = [f"{'study':<24}{'done':>6}{'of':>6}{'ETA':>10}"]
        for name in [*dict.fromkeys(names.values()), _ALL]:
            total = sum(name in (each, _ALL) for each in names.values())
            left = [run for run in self.left if name in (names[run.name], _ALL)]
            lines.append(f"{name:<24}{total - len(left):>6}{total:>6}{self.eta(left):>10}")
        return "\n".join(lines)
