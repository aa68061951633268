"""A small study that several tests share: its config, and what its runs may come to."""

from ml_collections import ConfigDict

from configs import default
from configs.study import common
from revisit.scaling import grid
from revisit.scaling.results import Result


def make_study(**changes):
    """The study with some fields changed: dotted name -> value."""
    base = default.get_config()
    base.data.dir = "pretraining"
    base.modes.linear_probe = ConfigDict({"data": {"dir": "transfer"}, "task": {"loss": "softmax"}})
    base.modes.finetune = ConfigDict({"data": {"dir": "transfer"}})
    study = common.make_config(
        title="A study", base=base, sweeps=({"data.fraction": (0.5, 0.1, 1.0)},)
    ).unlock()
    study.update_from_flattened_dict(changes)
    return study


def make_results(config, value, equal_length=False):
    """Results of a whole grid; value(run, pretraining images) is the metric of a transfer run."""
    made = []
    for run in grid.deal(grid.make_groups(config), 0, 1):
        size = round(9000 * run.settings.get("data.fraction", 0))
        seen = 90_000 if equal_length else 10 * size
        if run.mode == "pretrain":
            made.append(Result(run, size, seen, 10.0, size, seen, seen // 32, 10.0, {"loss": 1.0}))
        else:
            metrics = {config.metric: value(run, size)}
            made.append(Result(run, size, seen, 10.0, 2000, 40_000, 1250, 10.0, metrics))
    return made
