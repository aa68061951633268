"""--strategy=parameter_server as real processes: exact counts, a split head, lost processes."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from revisit.training.checkpoint import find_checkpoint
from revisit.training.logs import read_metrics
from revisit.training.model import load_model
from revisit.training.scoring import score
from tests.cluster_runs import Command, read_values, write_config

STEPS = 400


def _launch(directory: pathlib.Path, workers: int, *arguments: str) -> Command:
    write = ["--config=tiny.py", "--workdir=run", "--config.task.head_parts=3", *arguments]
    return Command(directory, "revisit.launch", f"--workers={workers}", "--ps=2", "--", *write)


def _write(directory: pathlib.Path, data: pathlib.Path, **train: object) -> None:
    often = {"log_every": "50 steps", "eval_every": "0 steps", "save_every": "50 steps"}
    write_config(directory / "tiny.py", data, **{"duration": str(STEPS), **often, **train})


def _assert_all_updates_counted(run: pathlib.Path) -> None:
    values = read_values(run)
    assert find_checkpoint(str(run)).endswith(f"ckpt-{STEPS}")
    assert int(values["step/.ATTRIBUTES/VARIABLE_VALUE"]) == STEPS
    assert int(values["optimizer/iter/.ATTRIBUTES/VARIABLE_VALUE"]) == STEPS


def _check_run(directory: pathlib.Path, workers: int) -> None:
    run = directory / "run"
    command = _launch(directory, workers)
    assert command.wait() == 0, command.output
    _assert_all_updates_counted(run)
    figures = read_metrics(str(run), "train", STEPS)
    assert figures["learning_rate"] == pytest.approx(0.005 * (1 + np.cos(np.pi * 399 / 400)))
    assert 0 < figures["staleness_mean"] <= figures["staleness_p95"]


def test_updates_are_counted_and_the_head_is_saved_as_one(
    tmp_path: pathlib.Path, tiny_data: dict[str, pathlib.Path]
) -> None:
    _write(tmp_path, tiny_data["multi"])
    _check_run(tmp_path, workers=2)
    run = str(tmp_path / "run")
    reader = tf.train.load_checkpoint(find_checkpoint(run))
    kernel = reader.get_tensor("head/classifier.Skernel/.ATTRIBUTES/VARIABLE_VALUE")
    assert kernel.shape[1] == 10
    assert np.array_equal(load_model(run).head.get_layer("classifier").kernel, kernel)
    assert score(run, "last", None, None)["figures"] == pytest.approx(
        read_metrics(run, "validation", STEPS), rel=1e-5
    )


@pytest.mark.slow
def test_updates_of_four_workers_are_counted(
    tmp_path: pathlib.Path, tiny_data: dict[str, pathlib.Path]
) -> None:
    _write(tmp_path, tiny_data["multi"])
    _check_run(tmp_path, workers=4)


@pytest.mark.slow
def test_a_killed_worker_is_survived_and_a_killed_server_is_resumed_from(
    tmp_path: pathlib.Path, tiny_data: dict[str, pathlib.Path]
) -> None:
    _write(tmp_path, tiny_data["multi"])
    first = _launch(tmp_path, 2)
    first.wait_for("step 100/400")
    first.kill("worker", 1)
    first.wait_for("step 200/400")
    first.kill("ps", 1)
    assert first.wait() == 137, first.output
    assert "[chief 0] stopped: another process of the cluster is gone" in first.output
    second = _launch(tmp_path, 2)
    assert second.wait() == 0, second.output
    assert "goes on from step" in second.output
    _assert_all_updates_counted(tmp_path / "run")
