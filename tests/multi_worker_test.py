"""--strategy=multi_worker as real processes: the weights of one process, whatever happens."""

import json
import pathlib
import runpy
import time

import numpy as np
import pytest

from data_prep.builder import BuildOptions, build
from data_prep.pipeline import PlanOptions
from data_prep.sources.source import SourceOptions
from revisit.data.records import read_dataset
from revisit.training import loop, modes
from revisit.training.logs import read_metrics
from revisit.training.scoring import score
from tests.cluster_runs import Command, read_values, write_config
from tests.tiny_tasks import TINY

STOP_SECONDS = 90.0  # in which the others stop when a worker is killed: docs/clusters.md


def _launch(directory: pathlib.Path, *arguments: str, workers: int = 2) -> Command:
    flags = ["--config=tiny.py", "--workdir=run", *arguments]
    return Command(directory, "revisit.launch", f"--workers={workers}", "--", *flags)


def _train_alone(
    directory: pathlib.Path, mode: str = "pretrain", init: str | None = None, **changes: str
) -> pathlib.Path:
    """The same run on one process: this one."""
    config = runpy.run_path(str(directory / "tiny.py"))["get_config"]()
    config.update_from_flattened_dict(changes)
    loop.train(modes.resolve(config, mode), mode, str(directory / "alone"), init)
    return directory / "alone"


def _assert_close(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-3, atol=1e-4, err_msg=name)


def _assert_told_of_a_lost_worker(run: Command) -> None:
    began = time.monotonic()
    assert run.wait() == 137, run.output
    assert time.monotonic() - began < 2 * STOP_SECONDS  # the machine may be busy
    assert "[worker 0] stopped: another process of the cluster is gone" in run.output
    assert "[launch] worker 0 ended with status 75" in run.output


def test_workers_one_of_whom_was_killed_end_with_the_weights_of_one_process(
    tmp_path: pathlib.Path, tiny_data: dict[str, pathlib.Path]
) -> None:
    write_config(tmp_path / "tiny.py", tiny_data["multi"], duration="12", eval_every="0 steps")
    killed = _launch(tmp_path)
    killed.wait_for("step 5/12")
    killed.kill("worker", 1)
    _assert_told_of_a_lost_worker(killed)
    finished = _launch(tmp_path)
    assert finished.wait() == 0, finished.output
    assert "goes on from step" in finished.output
    _assert_close(read_values(tmp_path / "run"), read_values(_train_alone(tmp_path)))


@pytest.mark.slow
def test_sigterm_saves_at_the_same_step_on_all_workers(
    tmp_path: pathlib.Path, tiny_data: dict[str, pathlib.Path]
) -> None:
    write_config(tmp_path / "tiny.py", tiny_data["multi"], duration="24", eval_every="0 steps")
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
    _assert_close(read_values(tmp_path / "run"), read_values(_train_alone(tmp_path)))


@pytest.mark.parametrize("workers", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_workers_score_with_the_same_statistics_that_are_saved(
    tmp_path: pathlib.Path, tiny_data: dict[str, pathlib.Path], workers: int
) -> None:
    sizes = {"batch_size": 30, "eval_batch_size": 18}  # 3 workers have 2 files to score
    write_config(tmp_path / "tiny.py", tiny_data["multi"], duration="3", **sizes)
    run = _launch(tmp_path, "--config.model.batch_norm_sync=False", workers=workers)
    assert run.wait() == 0, run.output
    report = score(str(tmp_path / "run"), "last", None, None)
    figures = read_metrics(str(tmp_path / "run"), "validation", 3)
    assert figures["num_examples"] == 40
    assert report["figures"] == pytest.approx(figures, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["detect", "segment", "pose"])
def test_workers_score_each_example_of_a_transfer_once(tmp_path: pathlib.Path, task: str) -> None:
    data = tmp_path / "data"
    source = SourceOptions(seed=0, num_images=60, world="pretrain")
    build(BuildOptions("microworld", source, str(data), PlanOptions(), 0.0, 1), {})
    write_config(tmp_path / "tiny.py", data, duration="2", batch_size=4, eval_batch_size=4)
    fields = {"task.name": task, "model.stem": "conv3_pool", **TINY[task]}
    run = _launch(tmp_path, *(f"--config.{field}={value}" for field, value in fields.items()))
    assert run.wait() == 0, run.output
    figures = read_metrics(str(tmp_path / "run"), "validation", 2)
    alone = score(str(tmp_path / "run"), "last", None, None)["figures"]
    assert figures == pytest.approx(alone, rel=1e-3, abs=1e-6, nan_ok=True)
    num_images = read_dataset(str(data)).num_examples("validation")
    assert num_images % 4  # the last batch has padding
    results = tmp_path / "run" / "results" / "validation"
    if task == "segment":
        assert len(list(results.rglob("*.png"))) == num_images
    else:
        truth = json.loads((results / "annotations.json").read_text())
        ids = [image["id"] for image in truth["images"]]
        assert len(set(ids)) == len(ids)
        assert task == "pose" or len(ids) == num_images
    if task != "pose":  # whose examples are people
        assert figures["num_examples"] == num_images


@pytest.mark.slow
@pytest.mark.parametrize("probe", ["ridge", "sgd_on_features"])
def test_a_probe_of_kept_features_ends_with_the_head_of_one_process(
    tmp_path: pathlib.Path, tiny_data: dict[str, pathlib.Path], probe: str
) -> None:
    write_config(tmp_path / "tiny.py", tiny_data["multi"], duration="6")
    flags = ("--mode=linear_probe", "--init=random", f"--config.probe.name={probe}")
    run = _launch(tmp_path, *flags)
    assert run.wait() == 0, run.output
    assert "136 of them new" in run.output
    changes = {"probe.name": probe, "probe.features_dir": str(tmp_path / "others")}
    alone = _train_alone(tmp_path, "linear_probe", "random", **changes)
    _assert_close(read_values(tmp_path / "run"), read_values(alone))
    step = 3 if probe == "ridge" else 6
    figures = [read_metrics(str(each), "validation", step) for each in (tmp_path / "run", alone)]
    assert figures[0] == pytest.approx(figures[1], rel=1e-3)
