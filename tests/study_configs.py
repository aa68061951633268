"""A small study config that several tests share."""

from ml_collections import ConfigDict

from configs import default
from configs.study import common


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
