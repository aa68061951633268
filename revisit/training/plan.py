"""What a run is, before anything of it is made: its config read and checked against its data."""

import operator
from typing import NamedTuple

from ml_collections import ConfigDict

from revisit.data import input as data_input
from revisit.data.augment import check_augment
from revisit.data.records import Dataset, Shard, count_examples, read_dataset
from revisit.data.views import view
from revisit.errors import UserError
from revisit.tasks import Task, make_task
from revisit.training import features, probes, schedules
from revisit.training.modes import MODES, Mode
from revisit.training.strategies import Strategy

LARGEST_SEED = 2**32  # exclusive: NumPy's


class Steps(NamedTuple):
    """The durations of a config, in steps; 0 means only at the end."""

    total: int
    log: int
    evaluate: int
    save: int


class Plan(NamedTuple):
    """What a run is, before anything of it is made; `splits` are added where it is a probe's."""

    config: ConfigDict
    mode: Mode
    strategy: Strategy
    dataset: Dataset
    task: Task
    shards: tuple[Shard, ...]
    steps: Steps
    probe: probes.Probe
    splits: features.Splits | None = None


def _steps(config: ConfigDict, probe: probes.Probe, num_examples: int) -> Steps:
    train = config.train
    arguments = {"num_examples": num_examples, "batch_size": train.batch_size}
    duration = "1 epochs" if probe.closed_form else train.duration
    total = schedules.to_steps(duration, **arguments)
    if total < 1:
        raise UserError(f"config.train.duration={duration!r}: give at least 1 step")
    every = (train.log_every, train.eval_every, train.save_every)
    return Steps(
        total, *(schedules.to_steps(each, **arguments, total_steps=total) for each in every)
    )


def _check_sizes(train: ConfigDict, num_replicas: int) -> None:
    for name in ("batch_size", "eval_batch_size", "keep_last", "steps_per_call", "accumulate"):
        if train[name] < 1:
            raise UserError(f"config.train.{name}={train[name]}: give at least 1")
    for name in ("batch_size", "eval_batch_size"):
        if train[name] % num_replicas:
            raise UserError(
                f"config.train.{name}={train[name]} is not a multiple of the {num_replicas} "
                "replicas"
            )
    if train.batch_size % (num_replicas * train.accumulate):
        raise UserError(
            f"config.train.accumulate={train.accumulate} does not divide the "
            f"{train.batch_size // num_replicas} examples that a replica has of a batch"
        )


def _check_together(config: ConfigDict, probe: probes.Probe, strategy: Strategy) -> None:
    asked = {
        "train.steps_per_call": config.train.steps_per_call > 1,
        "model.dtype": config.model.dtype == "float16",
        "probe.name": probe.on_features,
    }
    for field in (name for name, is_asked in asked.items() if is_asked and not strategy.together):
        raise UserError(
            f"config.{field}={operator.attrgetter(field)(config)!r} needs replicas that take each "
            "step together: choose another value, or a strategy other than parameter_server"
        )


def _check_keep_best(wanted: str, task: Task) -> None:
    """Not when a checkpoint is first compared, which is after an epoch."""
    names = list(task.make_metric().result()) if wanted else []
    if wanted and wanted.removeprefix("-") not in names:
        raise UserError(f"config.train.keep_best={wanted!r} is not a metric: {', '.join(names)}")


def make_plan(config: ConfigDict, mode: str, strategy: Strategy) -> Plan:
    """Reads the data set and checks the config against it.

    Raises:
      UserError: the data is not built, or a field of the config does not fit.
    """
    if not config.data.dir:
        raise UserError("config.data.dir is not set: name a data set, as --config.data.dir=DIR")
    dataset = view(read_dataset(config.data.dir), config.data)
    shards = data_input.train_shards(dataset, config.data.train_split, config.data.fraction)
    data_input.train_shards(dataset, config.data.eval_split, 1.0)
    if not 0 <= config.seed < LARGEST_SEED:
        raise UserError(f"config.seed={config.seed} is not between 0 and {LARGEST_SEED - 1}")
    _check_sizes(config.train, strategy.distribution.num_replicas_in_sync)
    check_augment(config.data.augment)
    task = make_task(config, dataset)
    probe = probes.PROBES["sgd"] if MODES[mode].trains_backbone else probes.make_probe(config)
    _check_together(config, probe, strategy)
    _check_keep_best(config.train.keep_best, task)
    steps = _steps(config, probe, count_examples(shards))
    return Plan(config, MODES[mode], strategy, dataset, task, shards, steps, probe)


def describe(plan: Plan) -> str:
    """A line for people: the data, the model and the steps."""
    num_examples = count_examples(plan.shards)
    return (
        f"{num_examples:,} examples of {plan.dataset.directory}, "
        f"{plan.dataset.taxonomy.num_classes:,} classes, ResNet-{plan.config.model.depth} "
        f"x{plan.config.model.width}, {plan.steps.total:,} steps of {plan.config.train.batch_size}"
    )
