"""Every task starts from the same backbone whole, says so, and refuses one that fits in part."""

import pathlib
import re
from typing import Any

import numpy as np
import pytest

from configs import default
from data_prep.builder import BuildOptions, build
from data_prep.pipeline import PlanOptions
from data_prep.sources.source import SourceOptions
from revisit.errors import UserError
from revisit.tasks import TASKS
from revisit.training import loop, modes
from revisit.training.model import load_backbone, load_model, make_models
from revisit.training.plan import make_plan
from revisit.training.strategies import make_strategy
from tests.tiny_tasks import TINY


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = str(tmp_path_factory.mktemp("init") / "data")
    source = SourceOptions(seed=0, num_images=24, world="pretrain")
    build(BuildOptions("microworld", source, directory, PlanOptions(), 0.0, 1), {})
    return directory


def _make_config(task: str, mode: str, data: str) -> Any:
    config = default.get_config()
    config.task.name = task
    config.data.update({"dir": data, "eval_split": "train"})
    config.model.update({"depth": 10, "width": 8})  # as the fixture finished_run
    config.update_from_flattened_dict(TINY[task])
    return modes.resolve(config, mode)


@pytest.mark.parametrize("task", TASKS)
def test_one_backbone_fits_every_task_to_the_last_variable(
    task: str, data: str, finished_run: pathlib.Path
) -> None:
    config = _make_config(task, "finetune", data)
    plan = make_plan(config, "finetune", make_strategy("one_device"))
    backbone, _ = make_models(config, plan.task)
    told = load_backbone(str(finished_run), backbone, config.model)
    numbers = f"{backbone.count_params():,} numbers in the same shapes"
    assert re.fullmatch(f"60 of 60 .* variables from .*, {numbers}, checksum [0-9a-f]{{12}}", told)
    saved = load_model(str(finished_run)).backbone
    for ours, theirs in zip(backbone.variables, saved.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("mode", ["linear_probe", "finetune"])
@pytest.mark.parametrize("task", TASKS)
def test_a_backbone_that_fits_in_part_is_refused(
    task: str, mode: str, data: str, finished_run: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    config = _make_config(task, mode, data)
    config.model.depth = 18
    with pytest.raises(UserError, match=r"fits 60 of \d+ backbone variables \(.* is not in it\)"):
        loop.train(config, mode, str(tmp_path / "run"), init=str(finished_run))
    assert not (tmp_path / "run" / "config.json").exists()
