"""revisit.training.modes: what a mode lays over a config, and what it must be told."""

import pytest

from configs import default
from revisit.errors import UserError
from revisit.training import modes


def test_a_modes_part_is_laid_over_the_rest_and_flags_win() -> None:
    config = default.get_config()
    config.modes.finetune = {"train": {"duration": "2 epochs"}, "schedule": {"learning_rate": 0.1}}
    resolved = modes.resolve(config, "finetune", {"schedule.learning_rate": 0.5})
    assert resolved.train.duration == "2 epochs"
    assert resolved.schedule.learning_rate == 0.5
    assert resolved.train.batch_size == 32
    assert "modes" not in resolved
    assert modes.resolve(config, "pretrain").train.duration == "4 epochs"
    assert config.train.duration == "4 epochs"


@pytest.mark.parametrize(
    "overlay", [{"train": {"batchsize": 3}}, {"train": {"batch_size": "x"}}, {"nothing": 3}]
)
def test_a_part_that_does_not_fit_is_named(overlay: dict) -> None:
    config = default.get_config()
    config.modes.linear_probe = overlay
    with pytest.raises(UserError, match="config.modes.linear_probe does not fit"):
        modes.resolve(config, "linear_probe")


def test_unknown_modes_are_named() -> None:
    with pytest.raises(UserError, match="--mode=probe is not one of pretrain, linear_probe, fine"):
        modes.resolve(default.get_config(), "probe")


def test_only_pretraining_may_be_told_nothing() -> None:
    modes.check_init("pretrain", None)
    modes.check_init("finetune", "random")
    for mode in ("linear_probe", "finetune"):
        with pytest.raises(UserError, match=f"--mode={mode} needs --init"):
            modes.check_init(mode, None)
