"""revisit.training.workdir: a run of an older version is read as one of today's."""

import functools
import json
import operator
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from configs import default
from revisit.errors import UserError
from revisit.serving.exporter import export
from revisit.training import loop, modes
from revisit.training.scoring import score
from revisit.training.workdir import ADDED

# What configs had when all four tasks were there: group -> fields
FIRST = {
    "": "seed",
    "data": "augment classes crop dir drop_duplicates eval_split flip fraction images_of "
    "noise_kind noise_missing noise_wrong resize shuffle train_split",
    "model": "batch_norm_epsilon batch_norm_momentum batch_norm_sync depth dtype "
    "freeze_batch_norm kernel_initializer output_stride stem width zero_init_last_gamma",
    "optimizer": "adam_epsilon average average_decay average_every average_start beta_1 beta_2 "
    "decay epsilon initial_accumulator momentum name weight_decay",
    "schedule": "decay_every decay_factor learning_rate name power warmup",
    "task": "absent class_weights export_top_k head_parts labels loss name prior_bias",
    "task.detect": "anchor_ratios anchor_sizes box_crop box_samples long_side proposals "
    "rpn_channels rpn_samples short_side",
    "task.pose": "boxes crop heatmap_weight margin margins nms offset_weight radius",
    "task.segment": "crop eval_flip eval_scales scales side",
    "train": "batch_size deterministic duration eval_batch_size eval_every jit_compile "
    "keep_best keep_last log_every save_every",
}


def _make_older(path: pathlib.Path) -> None:
    """Takes out of a config.json what configs came to have."""
    experiment = json.loads(path.read_text())
    for field in ADDED:
        *groups, name = field.split(".")
        del functools.reduce(operator.getitem, groups, experiment)[name]
    del experiment["probe"]
    path.write_text(json.dumps(experiment))


def test_a_field_that_configs_came_to_have_says_what_was_done_before() -> None:
    rows = ((group, name) for group, names in FIRST.items() for name in names.split())
    first = {f"{group}.{name}".removeprefix(".") for group, name in rows}
    config = default.get_config().to_dict()
    del config["modes"]
    fields = json.loads(json.dumps(modes.flatten(config)))
    assert fields.keys() == first | ADDED.keys()
    assert {name: fields[name] for name in ADDED} == ADDED


def test_a_run_of_an_older_version_is_scored_exported_and_gone_on_with(
    tiny_config: Callable, tmp_path: pathlib.Path
) -> None:
    config, workdir = tiny_config(), str(tmp_path / "run")
    config.train.duration = "1 steps"

    def train(config: Any) -> dict[str, float]:
        return loop.train(modes.resolve(config, "pretrain"), "pretrain", workdir)

    figures = train(config)
    _make_older(tmp_path / "run" / "config.json")
    assert score(workdir, "last", None, None)["figures"] == pytest.approx(figures, rel=1e-6)
    assert export(workdir, str(tmp_path / "model")).name == "1"
    assert train(config) == figures
    config.optimizer.clip_norm = 1.0
    with pytest.raises(UserError, match=r"optimizer.clip_norm is 0.0 there and 1.0 here"):
        train(config)
