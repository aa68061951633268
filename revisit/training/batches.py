"""A plan's batches: of training from any step on, and of a split that is scored."""

import functools
from collections.abc import Iterable, Iterator
from typing import Any

import tensorflow as tf

from revisit.data import input as data_input
from revisit.data.augment import make_augment
from revisit.training.plan import Plan


def _numbers(batch: dict) -> dict:
    """A batch without ids: strings, which neither XLA nor a TPU can take."""
    return {name: value for name, value in batch.items() if value.dtype != tf.string}


def worker_batches(
    plan: Plan, step: int, context: tf.distribute.InputContext | None = None
) -> tf.data.Dataset:
    """A worker's training batches from a step on: the same whether or not it was stopped."""
    config, context = plan.config, context or tf.distribute.InputContext()
    stream = data_input.Stream(
        seed=config.seed,
        shuffle=config.data.shuffle,
        start=step * config.train.batch_size,
        worker=context.input_pipeline_id,
        num_workers=context.num_input_pipelines,
        augment=make_augment(config.data.augment),
        cache_bytes=config.data.cache_bytes,
    )
    size = context.get_per_replica_batch_size(config.train.batch_size)
    task, splits = plan.task, plan.splits
    if splits:
        batches = data_input.train_table_batches(plan.shards, splits.train.table, size, stream)
    else:
        batches = data_input.train_batches(plan.shards, task.prepare, size, stream, task.cached)
    return batches.map(_numbers)


def train_iterator(plan: Plan, step: int) -> Iterator[Any]:
    """What the step is called with, from a step on."""
    batches = functools.partial(worker_batches, plan, step)
    return plan.strategy.deal(plan.strategy.distribution, batches)


def eval_batches(plan: Plan, split: str) -> Iterable[Any]:
    """Distributed batches of a split, every example once."""

    def batches(context: tf.distribute.InputContext) -> tf.data.Dataset:
        size = context.get_per_replica_batch_size(plan.config.train.eval_batch_size)
        place = context.input_pipeline_id, context.num_input_pipelines
        if plan.splits:
            return data_input.eval_table_batches(plan.splits.evaluation.table, size, *place)
        return data_input.eval_batches(plan.dataset, split, plan.task.prepare, size, *place)

    return plan.strategy.evaluation.distribute_datasets_from_function(batches)
