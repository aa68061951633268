"""What a backbone is trained for: each task is a row of functions."""

from ml_collections import ConfigDict

from revisit.data.records import Dataset
from revisit.errors import UserError
from revisit.tasks.classify import make_classify
from revisit.tasks.detect import make_detect
from revisit.tasks.pose import make_pose
from revisit.tasks.segment import make_segment
from revisit.tasks.task import Task

TASKS = {
    "classify": make_classify,
    "detect": make_detect,
    "segment": make_segment,
    "pose": make_pose,
}


def make_task(config: ConfigDict, dataset: Dataset) -> Task:
    """The task that `config.task.name` names, for one data set.

    Raises:
      UserError: no such task.
    """
    if config.task.name not in TASKS:
        raise UserError(f"config.task.name={config.task.name!r} is not one of {sorted(TASKS)}")
    return TASKS[config.task.name](config, dataset)
