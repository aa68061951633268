"""A run that is killed again and again ends with the bits of the run that never was."""

import csv
import pathlib
import signal
import sys

import numpy as np

from tests.cluster_runs import Command, read_values, write_config

CLOCK = ("images_per_second", "input_wait_share")  # figures of the machine, not of the run
AVERAGE = "polyak" if sys.version_info < (3, 12) else "none"  # tensorflow-addons ends with 3.11
MOMENTS = ("step", "evaluation", "save")  # of tests/killed_train.py


def _start(directory: pathlib.Path, name: str, *program: str) -> Command:
    flags = ["--config=tiny.py", f"--workdir={name}", f"--config.optimizer.average={AVERAGE}"]
    return Command(directory, *program, *flags)


def _read_metrics(run: pathlib.Path) -> list[dict]:
    with open(run / "metrics.csv", newline="") as file:
        return [row for row in csv.DictReader(file) if row["name"] not in CLOCK]


def test_a_run_killed_in_a_step_an_evaluation_and_a_save_keeps_its_bits(
    tmp_path: pathlib.Path, tiny_data: dict[str, pathlib.Path]
) -> None:
    # Lines of the log, evaluations and checkpoints come at steps of their own.
    every = {"log_every": "2 steps", "save_every": "3 steps", "eval_every": "5 steps"}
    best = {"keep_best": "map_macro"}
    write_config(tmp_path / "tiny.py", tiny_data["multi"], duration="9", **every, **best)
    alone, run = tmp_path / "alone", tmp_path / "run"
    undisturbed = _start(tmp_path, "alone", "revisit.train")
    for moment in MOMENTS:
        killed = _start(tmp_path, "run", "tests.killed_train", moment)
        assert killed.wait() == -signal.SIGKILL, killed.output
    assert (run / "checkpoints" / "ckpt-6_temp").exists()
    finished = _start(tmp_path, "run", "revisit.train")
    assert finished.wait() == 0, finished.output
    assert "goes on from step 3 of 9" in finished.output
    assert undisturbed.wait() == 0, undisturbed.output
    expected, values = read_values(alone), read_values(run)
    assert expected.keys() == values.keys()
    assert not [name for name in values if not np.array_equal(values[name], expected[name])]
    assert _read_metrics(run) == _read_metrics(alone)
    assert (run / "per_class.csv").read_text() == (alone / "per_class.csv").read_text()
