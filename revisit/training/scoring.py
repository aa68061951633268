"""Scores a finished run's model on any split of any data set with the same classes."""

from typing import Any

from revisit.data.duplicates import ids_in_training
from revisit.data.records import is_built, read_dataset
from revisit.training import checkpoint
from revisit.training import workdir as workdirs
from revisit.training.loop import evaluate_split, make_plan
from revisit.training.model import load_weights, make_models
from revisit.training.strategies import make_strategy


def score(workdir: str, which: str, data: str | None, split: str | None) -> dict[str, Any]:
    """The figures of a split, with what they are of.

    Where images of the split have near duplicates among those that the run was trained on, or the
    runs that it started from, the figures without them follow as `not_in_training_...`, as in the
    paper's appendix.

    Args:
      workdir: of the run.
      which: checkpoint to take, "last" or "best".
      data: directory of the data set; None: that of the run.
      split: None: the run's evaluation split.

    Returns:
      {"workdir", "checkpoint", "data", "split", "figures": {name: value}, "tables": {file: rows},
      "files": {path: content}}.

    Raises:
      UserError: no such run, checkpoint, data set or split, or other classes.
    """
    config, mode, _ = workdirs.read_run(workdir)
    training = [read_dataset(each) for each in workdirs.training_sets(workdir) if is_built(each)]
    with config.unlocked():
        config.data.dir = data or config.data.dir
        config.data.eval_split = split or config.data.eval_split
    prefix = checkpoint.find_checkpoint(workdir, which)
    strategy = make_strategy("one_device")
    plan = make_plan(config, mode, strategy)
    workdirs.check_classes(workdir, plan.dataset)
    with strategy.distribution.scope():
        backbone, head = make_models(config, plan.task)
        load_weights(prefix, backbone, head)
    in_training = {
        id_
        for each in training
        for id_ in ids_in_training(plan.dataset, config.data.eval_split, each)
    }
    left_out = sorted(in_training)
    metric, rest = evaluate_split(plan, backbone, head, config.data.eval_split, left_out)
    figures = metric.result()
    if left_out:
        figures |= {f"not_in_training_{name}": value for name, value in rest.result().items()}
    return {
        "workdir": workdir,
        "checkpoint": prefix,
        "data": config.data.dir,
        "split": config.data.eval_split,
        "figures": figures,
        "tables": metric.tables(),
        "files": metric.results(),
    }
