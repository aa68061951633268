"""The grid of a study: its runs, their configs, and their fixed split into shards."""

import importlib

import pytest

from configs import default
from revisit.errors import UserError
from revisit.scaling import grid
from tests.study_configs import make_study


def test_the_grid_is_every_size_seed_and_mode_and_scratch_once():
    groups = grid.make_groups(make_study())
    names = [run.name for group in groups for run in group]
    assert len(names) == len(set(names)) == 6 + 12 + 4
    assert [run.name for run in groups[1]] == [
        "pretrain-fraction0.1-seed0",
        "linear_probe-fraction0.1-seed0",
        "finetune-fraction0.1-seed0",
    ]
    assert [run.name for run in groups[0]] == ["linear_probe-random-seed0", "finetune-random-seed0"]
    assert [run.init for run in groups[0]] == ["random", "random"]
    assert [run.init for run in groups[1]] == ["", *["pretrain-fraction0.1-seed0"] * 2]


@pytest.mark.parametrize(("name", "num_pretrainings", "num_runs"), [
    ("demo", 6, 22), ("quick", 28, 60), ("microworld", 72, 236), ("microworld_gpu", 132, 426),
    ("tiny_imagenet", 20, 68), ("tiny_imagenet_gpu", 45, 153),
])  # fmt: skip
def test_every_study_plans_the_runs_that_it_says(name, num_pretrainings, num_runs):
    config = importlib.import_module(f"configs.study.{name}").get_config()
    grid.check_study(config)
    runs = grid.deal(grid.make_groups(config), 0, 1)
    assert sum(run.mode == grid.PRETRAIN for run in runs) == num_pretrainings
    different = {(grid.run_config(config, run).to_json(), run.init, run.settings.get("start"))
                 for run in runs}  # fmt: skip
    assert len(different) == len(runs) == num_runs


def test_scratch_can_be_left_out():
    groups = grid.make_groups(make_study(scratch=False))
    assert "random" not in {run.init for group in groups for run in group}


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 20])
def test_shards_cover_every_run_once_and_keep_a_backbone_with_its_transfers(count):
    groups = grid.make_groups(make_study())
    shards = [grid.deal(groups, index, count) for index in range(count)]
    names = [run.name for shard in shards for run in shard]
    assert sorted(names) == sorted(run.name for group in groups for run in group)
    for shard in shards:
        before = {"", "random"}
        for run in shard:
            assert run.init in before
            before.add(run.name)


def test_a_run_has_its_mode_its_seed_and_its_part_of_the_data():
    study = make_study()
    runs = {run.name: run for group in grid.make_groups(study) for run in group}
    pretrain = grid.run_config(study, runs["pretrain-fraction0.1-seed1"])
    assert (pretrain.seed, pretrain.data.fraction, pretrain.data.dir) == (1, 0.1, "pretraining")
    probe = grid.run_config(study, runs["linear_probe-fraction0.1-seed1"])
    assert (probe.seed, probe.data.fraction, probe.data.dir) == (1, 1.0, "transfer")
    assert probe.task.loss == "softmax"
    assert study.base.seed == 0


@pytest.mark.parametrize(("changes", "line"), [
    ({"sweeps": ({"data.fraction": (0.1, 1.5)},)}, "data.fraction=[0.1, 1.5]: a part is in (0, 1]"),
    ({"sweeps": ({"data.fraction": (0.1, 0.1)},)}, "must hold values, each of them once"),
    ({"sweeps": ({"data.fraction": ()},)}, "must hold values, each of them once"),
    ({"sweeps": ()}, "config.sweeps and config.seeds must hold values"),
    ({"sweeps": ({"data.size": (1, 2)},)}, "varies 'data.size', which is no field of config.base"),
    ({"seeds": (0, 0)}, "config.sweeps and config.seeds must hold values, each seed once"),
    ({"seeds": (0, -1)}, "holds -1: a seed is a whole number from 0"),
    ({"seeds": (0.5,)}, "holds 0.5: a seed is a whole number from 0"),
    ({"transfers.finetune.mode": "pretrain"}, "mode='pretrain': choose of linear_probe, finetune"),
    ({"metric_type": "map"}, "metric_type='map' is not error or accuracy"),
])  # fmt: skip
def test_values_that_mean_nothing_are_refused(changes, line):
    with pytest.raises(UserError) as caught:
        grid.check_study(make_study(**changes))
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_config_of_a_single_experiment_is_no_study():
    with pytest.raises(UserError, match="not a study's config: no field 'title'"):
        grid.check_study(default.get_config())


def test_sizes_too_alike_to_name_are_refused():
    with pytest.raises(UserError, match="two values are too alike"):
        grid.make_groups(make_study(sweeps=({"data.fraction": (0.1, 0.1000001)},)))


@pytest.mark.parametrize("text", ["2/2", "1", "a/b", "-1/2", "/3"])
def test_a_wrong_shard_is_refused(text):
    with pytest.raises(UserError, match="write i/n with 0 <= i < n"):
        grid.parse_shard(text)
    assert grid.parse_shard("2/8") == (2, 8)
