"""--strategy=multi_worker as real processes: the weights of one process, whatever happens."""

import pathlib
import time

import numpy as np
import pytest

from revisit.training.logs import read_metrics
from revisit.training.scoring import score
from tests.cluster_runs import Command, read_values, write_config

STOP_SECONDS = 30.0  # in which the others stop when a worker is killed: README.md says so


def _launch(directory: pathlib.Path, *arguments: str, workers: int = 2) -> Command:
    flags = ["--config=tiny.py", "--workdir=run", *arguments]
    return Command(directory, "revisit.launch", f"--workers={workers}", "--", *flags)


def _assert_close(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-3, atol=1e-4, err_msg=name)


def _assert_told_of_a_lost_worker(run: Command) -> None:
    began = time.monotonic()
    assert run.wait() == 137, run.output
    assert time.monotonic() - began < STOP_SECONDS
    assert "[worker 0] stopped: another process of the cluster is gone" in run.output
    assert "[launch] worker 0 ended with status 75" in run.output


def test_workers_one_of_whom_was_killed_end_with_the_weights_of_one_process(
    tmp_path: pathlib.Path, tiny_data: dict[str, pathlib.Path]
) -> None:
    write_config(tmp_path / "tiny.py", tiny_data["multi"], duration="12", eval_every="0 steps")
    alone = Command(tmp_path, "revisit.train", "--config=tiny.py", "--workdir=alone")
    killed = _launch(tmp_path)
    killed.wait_for("step 5/12")
    killed.kill("worker", 1)
    _assert_told_of_a_lost_worker(killed)
    finished = _launch(tmp_path)
    assert finished.wait() == 0, finished.output
    assert "goes on from step" in finished.output
    assert alone.wait() == 0, alone.output
    _assert_close(read_values(tmp_path / "run"), read_values(tmp_path / "alone"))


@pytest.mark.slow
def test_sigterm_saves_at_the_same_step_on_all_workers(
    tmp_path: pathlib.Path, tiny_data: dict[str, pathlib.Path]
) -> None:
    write_config(tmp_path / "tiny.py", tiny_data["multi"], duration="24", eval_every="0 steps")
    alone = Command(tmp_path, "revisit.train", "--config=tiny.py", "--workdir=alone")
    stopped = _launch(tmp_path)
    stopped.wait_for("step 5/24")
    stopped.process.terminate()
    assert stopped.wait() == 75, stopped.output
    lines = {
        line.split("stopped: ")[1] for line in stopped.output.splitlines() if "stopped: " in line
    }
    assert len(lines) == 1
    assert lines.pop().startswith("saved at step ")
    assert stopped.output.count("saved at step ") == 2
    finished = _launch(tmp_path)
    assert finished.wait() == 0, finished.output
    assert alone.wait() == 0, alone.output
    _assert_close(read_values(tmp_path / "run"), read_values(tmp_path / "alone"))


def test_workers_score_with_the_same_statistics_that_are_saved(
    tmp_path: pathlib.Path, tiny_data: dict[str, pathlib.Path]
) -> None:
    write_config(tmp_path / "tiny.py", tiny_data["multi"], duration="3", batch_size=30)
    each_its_own = "--config.model.batch_norm_sync=False"
    run = _launch(tmp_path, each_its_own, "--config.train.eval_batch_size=15", workers=3)
    assert run.wait() == 0, run.output
    report = score(str(tmp_path / "run"), "last", None, None)
    figures = read_metrics(str(tmp_path / "run"), "validation", 3)
    assert figures["num_examples"] == 40
    assert report["figures"] == pytest.approx(figures, rel=1e-5)
