"""What a run writes for people: metrics.csv, TensorBoard, log.txt and one line in the terminal.

metrics.csv is one tidy table: step, split, name, value. A run that goes on from a checkpoint first
drops the rows that came after it, so every row stands there once.
"""

import csv
import os
import sys
import time
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from revisit.errors import UserError

METRICS_FILE = "metrics.csv"
LOG_FILE = "log.txt"
EVENTS = "tensorboard"
RESULTS = "results"
SHOWN_FIGURES = 5  # of an evaluation, in a line
COLUMNS = ("step", "split", "name", "value")


def read_metrics(workdir: str, split: str, step: int) -> dict[str, float]:
    """The figures that a run wrote for a split at a step; empty if it wrote none."""
    return {
        row["name"]: float(row["value"])
        for row in _read_rows(workdir)
        if row["split"] == split and row["step"] == str(step)
    }


def last_evaluated(workdir: str, split: str) -> int | None:
    """The last step at which a run wrote figures for a split; None if it wrote none."""
    return max(
        (int(row["step"]) for row in _read_rows(workdir) if row["split"] == split), default=None
    )


def _read_rows(workdir: str) -> list[dict]:
    """The rows of metrics.csv, but for one that a killed process has left unfinished."""
    path = os.path.join(workdir, METRICS_FILE)
    if not os.path.exists(path):
        return []
    with open(path, newline="") as file:
        return [row for row in csv.DictReader(file) if None not in row.values()]


def write_table(path: str, columns: Sequence[str], rows: Sequence[Mapping]) -> None:
    """Writes rows with these columns as CSV, over what was there."""
    with open(path + ".tmp", "w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    os.replace(path + ".tmp", path)


def write_results(directory: str, files: Mapping[str, str | bytes]) -> None:
    """Writes files in a benchmark's own format, by their paths below a directory."""
    for name, content in files.items():
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)


def duration_text(seconds: float) -> str:
    """61 -> "1:01", 3661 -> "1:01:01"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def shown(figures: Mapping[str, float]) -> str:
    """The first figures, which tell most, the loss before them: what fits in a terminal's line."""
    names = sorted(figures, key=lambda name: name != "loss")  # stable: the task's own order
    text = "  ".join(f"{name} {figures[name]:.4g}" for name in names[:SHOWN_FIGURES])
    rest = len(names) - SHOWN_FIGURES
    return text if rest <= 0 else f"{text}  ({rest} more in metrics.csv)"


class Logs:
    """The logs of one run; a process that is not the chief has none (`workdir` is None)."""

    def __init__(self, workdir: str | None, title: str, total_steps: int) -> None:
        """Args:
        workdir: where the files lie.
        title: stands before each line in the terminal.
        total_steps: of the run, for the ETA.
        """
        self._workdir = workdir
        self._title = title
        self._total_steps = total_steps
        self._events: tf.summary.SummaryWriter | None = None
        self._first: tuple[float, int] | None = None

    def start(self, step: int) -> None:
        """Opens the files; rows of metrics.csv after `step` are dropped.

        Raises:
          UserError: the workdir is no directory, or not ours to write to.
        """
        if self._workdir is None:
            return
        try:
            os.makedirs(self._workdir, exist_ok=True)
            rows = [row for row in _read_rows(self._workdir) if int(row["step"]) <= step]
            write_table(os.path.join(self._workdir, METRICS_FILE), COLUMNS, rows)
        except OSError as error:
            raise UserError(
                f"--workdir={self._workdir} can't be written to: {error.strerror}"
            ) from error
        self._events = tf.summary.create_file_writer(os.path.join(self._workdir, EVENTS))

    def write(self, step: int, split: str, figures: Mapping[str, float]) -> None:
        """Adds figures to metrics.csv and to TensorBoard."""
        if self._workdir is None or self._events is None:
            return
        with open(os.path.join(self._workdir, METRICS_FILE), "a", newline="") as file:
            csv.writer(file).writerows(
                (step, split, name, repr(float(value))) for name, value in figures.items()
            )
        with self._events.as_default(step):
            for name, value in figures.items():
                tf.summary.scalar(f"{split}/{name}", value)

    def pictures(self, step: int, name: str, pictures: np.ndarray) -> None:
        """Shows pictures [N, H, W, 3] uint8 in TensorBoard."""
        if self._events is not None:
            with self._events.as_default(step):
                tf.summary.image(name, pictures, max_outputs=len(pictures))

    def table(self, name: str, rows: Sequence[Mapping]) -> None:
        """Writes a table of the run, as the per-class figures, over the one before."""
        if self._workdir is not None:
            write_table(os.path.join(self._workdir, name), list(rows[0]) if rows else [], rows)

    def results(self, split: str, files: Mapping[str, str | bytes]) -> None:
        """Writes a split's predictions in the benchmark's own format to results/<split>."""
        if self._workdir is not None:
            write_results(os.path.join(self._workdir, RESULTS, split), files)

    def say(self, line: str) -> None:
        """A line of its own in the terminal and in log.txt."""
        if self._workdir is None:
            return
        with open(os.path.join(self._workdir, LOG_FILE), "a") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")
        clear = "\r\033[K" if sys.stdout.isatty() else ""
        print(f"{clear}{self._title}: {line}", flush=True)

    def count_from(self, step: int) -> None:
        """The ETA's rate counts from the first call on: before it, the graph was traced."""
        self._first = self._first or (time.monotonic(), step)

    def progress(self, step: int, figures: Mapping[str, float]) -> None:
        """The one line that says how far the run is; in a terminal it is written over each time."""
        if self._workdir is None or self._first is None:
            return
        began, first_step = self._first
        seconds, done = time.monotonic() - began, step - first_step
        eta = duration_text((self._total_steps - step) * seconds / done) if done else "unknown"
        line = (
            f"step {step:,}/{self._total_steps:,}  loss {figures['loss']:.4g}  "
            f"lr {figures['learning_rate']:.3g}  {figures['images_per_second']:,.0f} images/s  "
            f"waits for input {figures['input_wait_share']:.0%}  "
            f"ETA {eta}"
        )
        with open(os.path.join(self._workdir, LOG_FILE), "a") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")
        if sys.stdout.isatty():
            print(f"\r\033[K{self._title}: {line}", end="", flush=True)
        else:
            print(f"{self._title}: {line}", flush=True)

    def close(self) -> None:
        """Flushes TensorBoard's file and ends the terminal's line."""
        if self._events is not None:
            self._events.close()
