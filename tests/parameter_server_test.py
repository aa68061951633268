"""--strategy=parameter_server as real processes: exact counts, a split head, lost processes."""

import pathlib
import time

import numpy as np
import pytest
import tensorflow as tf

from revisit.training.checkpoint import find_checkpoint
from revisit.training.logs import read_metrics
from revisit.training.model import load_model
from revisit.training.scoring import score
from tests.cluster_runs import Cluster, Command, read_values, write_config

STEPS = 400
STOP_SECONDS = 90.0  # in which the coordinator stops when a server is killed: docs/clusters.md
FLAGS = (
    "--config=tiny.py",
    "--workdir=run",
    "--strategy=parameter_server",
    "--config.task.head_parts=3",
)


@pytest.fixture
def _config(tmp_path: pathlib.Path, tiny_data: dict[str, pathlib.Path]) -> None:
    every = {"log_every": "50 steps", "eval_every": "0 steps", "save_every": "50 steps"}
    train = {"duration": str(STEPS), "batch_size": 8, **every}
    write_config(tmp_path / "tiny.py", tiny_data["multi"], **train)


def _start(directory: pathlib.Path, workers: int) -> Cluster:
    return Cluster(directory, *FLAGS, chief=1, worker=workers, ps=2)


def _finish(chief: Command, run: pathlib.Path) -> None:
    """Waits for the end of a run; all of its updates must be counted."""
    assert chief.wait() == 0, chief.output
    values = read_values(run)
    assert find_checkpoint(str(run)).endswith(f"ckpt-{STEPS}")
    assert int(values["step/.ATTRIBUTES/VARIABLE_VALUE"]) == STEPS
    assert int(values["optimizer/iter/.ATTRIBUTES/VARIABLE_VALUE"]) == STEPS
    rate = read_metrics(str(run), "train", STEPS)["learning_rate"]
    assert rate == pytest.approx(0.005 * (1 + np.cos(np.pi * 399 / 400)))


def _assert_stale(run: pathlib.Path, step: int) -> None:
    figures = read_metrics(str(run), "train", step)
    assert 0 < figures["staleness_mean"] <= figures["staleness_p95"]


@pytest.mark.usefixtures("_config")
def test_updates_are_counted_while_workers_are_killed_and_come_back(tmp_path: pathlib.Path) -> None:
    run = tmp_path / "run"
    with _start(tmp_path, workers=2) as cluster:
        chief = cluster["chief", 0]
        chief.wait_for("step 100/400")
        cluster.kill("worker", 1)
        cluster.start("worker", 1)
        chief.wait_for("step 200/400")
        cluster.kill("worker", 0)
        cluster.start("worker", 0)  # what is left to do is done by those that came back
        _finish(chief, run)
    _assert_stale(run, 50)
    reader = tf.train.load_checkpoint(find_checkpoint(str(run)))
    kernel = reader.get_tensor("head/classifier.Skernel/.ATTRIBUTES/VARIABLE_VALUE")
    assert kernel.shape[1] == 10
    assert np.array_equal(load_model(str(run)).head.get_layer("classifier").kernel, kernel)
    figures = score(str(run), "last", None, None)["figures"]
    assert figures == pytest.approx(read_metrics(str(run), "validation", STEPS), rel=1e-5)


@pytest.mark.slow
@pytest.mark.usefixtures("_config")
@pytest.mark.parametrize("workers", [2, 4])
def test_updates_of_all_workers_are_counted(tmp_path: pathlib.Path, workers: int) -> None:
    with _start(tmp_path, workers) as cluster:
        _finish(cluster["chief", 0], tmp_path / "run")
    _assert_stale(tmp_path / "run", STEPS)


@pytest.mark.slow
@pytest.mark.usefixtures("_config")
def test_a_stopped_and_a_killed_coordinator_and_a_killed_server_are_gone_on_from(
    tmp_path: pathlib.Path,
) -> None:
    with _start(tmp_path, workers=2) as cluster:
        chief = cluster["chief", 0]
        chief.wait_for("step 50/400")
        chief.process.terminate()
        assert chief.wait() == 75, chief.output
        assert "stopped: saved at step " in chief.output
        cluster.start("chief", 0).wait_for("step 100/400")
        cluster.kill("chief", 0)
        chief = cluster.start("chief", 0)
        chief.wait_for("step 200/400")
        assert "goes on from step" in chief.output
        cluster.kill("ps", 1)
        began = time.monotonic()
        assert chief.wait() == 75, chief.output
        assert time.monotonic() - began < 2 * STOP_SECONDS  # the machine may be busy
        assert "stopped: another process of the cluster is gone" in chief.output
        cluster.start("ps", 1)
        chief = cluster.start("chief", 0)
        _finish(chief, tmp_path / "run")
        assert "goes on from step" in chief.output
