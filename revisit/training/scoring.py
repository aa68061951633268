"""Scores a model on a split: a run's while it goes on, and a finished one's on any data set.

The data set of a finished run is any with the same classes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from revisit.data.duplicates import ids_in_training
from revisit.data.records import is_built, read_dataset
from revisit.evaluation.evaluator import evaluate
from revisit.tasks.task import Batch, Metric
from revisit.training import checkpoint
from revisit.training import workdir as workdirs
from revisit.training.batches import eval_batches
from revisit.training.model import load_weights, make_models, predict
from revisit.training.plan import Plan, make_plan
from revisit.training.strategies import make_strategy

NUM_DRAWN = 16  # examples that are drawn for people


def evaluate_split(
    plan: Plan,
    backbone: keras.Model,
    head: keras.Model,
    split: str,
    left_out: Sequence[str] = (),
) -> tuple[Metric, Metric]:
    """The task's metric over a split, every example counted once; and, where ids are to be left
    out, over the split without them, else an empty one."""
    metric, rest = plan.task.make_metric(), plan.task.make_metric()

    def measure(batch: Batch) -> dict[str, tf.Tensor]:
        rows = plan.task.measure(predict(plan.task, backbone, head, batch), batch)
        if left_out:
            is_left_out = tf.reduce_any(batch["id"][:, None] == tf.constant(left_out), axis=1)
            rows["kept"] = tf.where(is_left_out, 0.0, batch["weight"])
        return rows

    def update(rows: dict[str, np.ndarray]) -> None:
        kept = rows.pop("kept", None)
        metric.update(rows)
        if kept is not None:
            rest.update({**rows, "weight": kept})

    evaluate(plan.strategy.evaluation, measure, eval_batches(plan, split), update)
    return metric, rest


def _first_replica(plan: Plan, batch: Any) -> dict[str, tf.Tensor]:
    local = plan.strategy.evaluation.experimental_local_results
    return {name: local(value)[0][:NUM_DRAWN] for name, value in batch.items()}


def draw_split(plan: Plan, backbone: keras.Model, head: keras.Model, split: str) -> np.ndarray:
    """Pictures of a split's first examples with targets and predictions, [N, H, W, 3] uint8."""
    batch = _first_replica(plan, next(iter(eval_batches(plan, split))))
    return plan.task.draw(batch, predict(plan.task, backbone, head, batch))


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
