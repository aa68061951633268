"""The steps between two lines of progress, in figures."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from revisit.errors import UserError

# What to do about training that diverges.
CALM = "lower config.schedule.learning_rate or lengthen config.schedule.warmup"


class Window:
    """The losses, and the waits, of the steps since the last line of progress."""

    def __init__(self, fetch: Callable[[list], Any], losses: Sequence[float] = (0.0, 0.0)) -> None:
        """Args:
        fetch: of the strategy.
        losses: sum and number of those that a run which goes on had not told yet.
        """
        self.paused = 0.0  # seconds, for what was done between steps
        self.waited = 0.0  # seconds, for input
        self.results: list[Any] = []  # of calls of the step, not looked at yet
        self.losses = np.asarray(losses, np.float64)  # sum and number
        self.staleness: list[float] = []
        self._fetch = fetch

    def next_batch(self, iterator: Iterator[Any]) -> Any:
        """The next batch; the time it took counts as waiting for input."""
        began = time.monotonic()
        batch = next(iterator)
        self.waited += time.monotonic() - began
        return batch

    def settle(self, step: int) -> None:
        """Waits for all steps up to `step`, and looks at what they returned.

        Raises:
          UserError: a loss is not finite.
        """
        if not self.results:
            return
        losses, _, staleness, *waited = np.asarray(self._fetch(self.results), np.float64).T
        if not np.isfinite(losses).all():
            raise UserError(
                f"the loss is {losses.sum()} between steps {step - len(losses)} and {step}: {CALM}"
            )
        self.losses += losses.sum(), len(losses)
        self.staleness.extend(staleness)
        self.waited += np.sum(waited)
        self.results = []

    def figures(self, batch_size: int, seconds: float) -> dict[str, float]:
        """Mean loss, rates and shares of a window of so many seconds; staleness if there is any."""
        seconds -= self.paused
        figures = {
            "loss": self.losses[0] / self.losses[1],
            "images_per_second": len(self.staleness) * batch_size / seconds,
            "input_wait_share": self.waited / seconds,
        }
        if any(self.staleness):
            figures["staleness_mean"] = float(np.mean(self.staleness))
            figures["staleness_p95"] = float(np.percentile(self.staleness, 95))
        return figures
