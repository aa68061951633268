"""A longer run begins as a finished shorter one, where their schedules begin alike."""

import csv

import numpy as np
import pytest
import tensorflow as tf

from configs import default
from revisit.scaling import grid, prefixes, results, runs
from revisit.scaling.runs import Engine, Study
from revisit.training import loop
from revisit.training.checkpoint import find_checkpoint
from tests.study_configs import make_study

DURATIONS = ("1 epochs", "2 epochs")


@pytest.mark.parametrize(("schedule", "shared"), [
    ({"name": "constant"}, True),
    ({"name": "staircase", "decay_every": "10 steps"}, True),
    ({"name": "constant", "warmup": "5 percent"}, False),
    ({"name": "staircase", "decay_every": "30 percent"}, False),
    ({"name": "cosine"}, False),
    ({"name": "poly"}, False),
])  # fmt: skip
def test_only_schedules_that_begin_alike_are_shared(schedule, shared):
    config = default.get_config()
    config.schedule.update(schedule)
    assert prefixes.can_share(config) == shared


def _save(workdir, run, step):
    (workdir / "runs" / run.name).mkdir(parents=True)
    result = results.Result(run, 90, 180, 1.0, 90, 180, step, 1.0, {"loss": 1.0})
    results.save_result(str(workdir), result)


def test_the_longest_shorter_run_of_the_same_seed_and_settings_is_the_beginning(tmp_path):
    durations = {"train.duration": ("1 steps", "2 steps", "4 steps", "8 steps")}
    config = make_study(sweeps=(durations, {"data.noise_wrong": (0.0, 0.3)}))
    everything = grid.deal(grid.make_groups(config), 0, 1)
    pretrain = [run for run in everything if run.mode == "pretrain"]
    for run in pretrain:
        duration = run.settings["train.duration"]
        if duration != "4 steps" and "epochs" not in duration:
            _save(tmp_path, run, int(duration.split()[0]))
    wanted = next(run for run in pretrain if run.settings["train.duration"] == "4 steps")
    found = prefixes.find_prefix(wanted, everything, 4, str(tmp_path))
    assert (found.step, found.run.seed) == (2, wanted.seed)
    assert found.run.settings == {**wanted.settings, "train.duration": "2 steps"}
    probe = next(run for run in everything if run.mode == "linear_probe")
    assert prefixes.find_prefix(probe, everything, 4, str(tmp_path)) is None


def _tiny_study(tiny_config, tiny_data, workdir):
    base = tiny_config()
    base.schedule.name = "constant"
    base.modes.linear_probe = {"data": {"dir": str(tiny_data["single"])}}
    sweeps = ({"train.duration": DURATIONS},)
    transfers = {"linear_probe": {"mode": "linear_probe"}}
    config = make_study(base=base, sweeps=sweeps, transfers=transfers, seeds=(0,), scratch=False)
    return Study(config, str(workdir), Engine(loop.train, lambda config: 96))


def _weights(workdir):
    reader = tf.train.load_checkpoint(find_checkpoint(str(workdir)))
    names = [name for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name]
    return {name: reader.get_tensor(name) for name in names if "save_counter" not in name}


def test_a_run_that_goes_on_from_a_shorter_one_ends_with_the_same_bits(
    tiny_config, tiny_data, tmp_path
):
    study = _tiny_study(tiny_config, tiny_data, tmp_path / "study")
    pretrain = [run for run in grid.deal(grid.make_groups(study.config), 0, 1) if not run.init]
    short, long = (runs.make_run(run, pretrain, study) for run in pretrain)
    assert (short.step, long.step, long.examples_seen) == (3, 6, 192)
    directory = results.run_directory(study.workdir, long.run.name)
    with open(f"{directory}/metrics.csv", newline="") as file:
        evaluated = {
            int(row["step"]) for row in csv.DictReader(file) if row["split"] == "validation"
        }
    assert evaluated == {3, 6}  # the end of the short run is one of the long run's evaluations

    config = grid.run_config(study.config, long.run)
    figures = loop.train(config, "pretrain", str(tmp_path / "straight"))
    assert figures == long.metrics
    straight, shared = _weights(tmp_path / "straight"), _weights(directory)
    assert straight.keys() == shared.keys()
    assert not [name for name in straight if not np.array_equal(straight[name], shared[name])]
