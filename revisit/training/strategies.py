"""Where a step runs: a row for each --strategy, which says how a step is called and batches dealt.

In one_device, mirrored, multi_worker and tpu the step runs on every replica at once, each with its
part of the global batch, and the optimizer sums gradients over replicas. Under parameter_server
(training/parameter_server.py) every worker runs steps of its own.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

import tensorflow as tf

from revisit.errors import UserError
from revisit.training import parameter_server
from revisit.training.cluster import find_cluster

MakeBatches: TypeAlias = Callable[[tf.distribute.InputContext], tf.data.Dataset]
# (dealt batch, 1.0 where this process was told to stop) -> [3] float32: step.make_train_step
Step: TypeAlias = Callable[[Any, tf.Tensor], Any]

# What TensorFlow raises in a process when another of its cluster has gone.
_GONE = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError)


def _deal(distribution: tf.distribute.Strategy, make_batches: MakeBatches) -> Iterator[Any]:
    return iter(distribution.distribute_datasets_from_function(make_batches))


def _rows(results: list) -> tf.Tensor:
    """[3], or [steps, 4], of each call -> [steps of all calls, 3 or 4]."""
    return tf.concat([tf.reshape(each, [-1, each.shape[-1]]) for each in results], axis=0)


class Strategy(NamedTuple):
    """A row of STRATEGIES, made.

    Attributes:
      distribution: TensorFlow's; models and optimizers are made in its scope.
      evaluation: under which a split is scored.
      deal: (distribution, dataset of a worker) -> endless parts of batches, for the step.
      bind: step -> what is called for each batch; it may return a promise of the step's figures.
      together: whether all replicas take each step together, none at its own pace.
      fetch: what the calls returned -> [number of steps, 3] figures of the steps, with several
        steps a call [number of steps, 4] (step.several_steps).
      agree: (told to stop, what the call before returned, or None) -> whether all stop now.
      is_chief: whether this process writes what there is one of: logs, results, checkpoints.
      lost: errors that mean that another process is gone, without which nothing can go on.
    """

    distribution: tf.distribute.Strategy
    evaluation: tf.distribute.Strategy
    deal: Callable[[tf.distribute.Strategy, MakeBatches], Iterator[Any]] = _deal
    bind: Callable[[Step], Step] = lambda step: step
    together: bool = True
    fetch: Callable[[list], Any] = _rows
    agree: Callable[[bool, Any], bool] = lambda stopped, before: stopped
    is_chief: bool = True
    lost: tuple[type[Exception], ...] = ()


def in_one_process(distribution: tf.distribute.Strategy) -> Strategy:
    """The row of a strategy of TensorFlow's that knows no other process."""
    return Strategy(distribution, distribution)


def _one_device() -> Strategy:
    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    return in_one_process(tf.distribute.OneDeviceStrategy(f"/{kind}:0"))


def _mirrored() -> Strategy:
    return in_one_process(tf.distribute.MirroredStrategy())


def _any_was_told(stopped: bool, before: Any) -> bool:
    """The sum that all workers have of the step before; so all stop at the same step.

    Of the step before, since its figures are there without waiting for the device.
    """
    return before is not None and float(tf.reshape(before, [-1, before.shape[-1]])[-1, 1]) > 0


def _multi_worker() -> Strategy:
    resolver = find_cluster("multi_worker", ("worker",))
    distribution = tf.distribute.MultiWorkerMirroredStrategy(resolver)
    chief = "chief" if "chief" in resolver.cluster_spec().jobs else "worker"
    is_chief = (resolver.task_type, resolver.task_id) == (chief, 0)
    return in_one_process(distribution)._replace(agree=_any_was_told, is_chief=is_chief, lost=_GONE)


def _tpu() -> Strategy:
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(os.environ.get("TPU_NAME", ""))
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, tf.errors.OpError) as error:
        raise UserError(f"--strategy=tpu found no TPU (set TPU_NAME): {error}") from error
    return in_one_process(tf.distribute.TPUStrategy(resolver))


def _parameter_server() -> Strategy:
    resolver = find_cluster("parameter_server", ("chief", "worker", "ps"))
    if resolver.task_type != "chief":
        parameter_server.serve(resolver)
    distribution = tf.distribute.ParameterServerStrategy(resolver)
    num_workers = resolver.cluster_spec().num_tasks("worker")
    downpour = parameter_server.Downpour(distribution, num_workers)
    return Strategy(
        distribution,
        evaluation=tf.distribute.OneDeviceStrategy("/job:chief/task:0/CPU:0"),
        deal=downpour.deal,
        bind=downpour.bind,
        together=False,
        fetch=downpour.fetch,
        lost=_GONE,
    )


STRATEGIES: dict[str, Callable[[], Strategy]] = {
    "one_device": _one_device,
    "mirrored": _mirrored,
    "multi_worker": _multi_worker,
    "tpu": _tpu,
    "parameter_server": _parameter_server,
}


def make_strategy(name: str) -> Strategy:
    """The strategy of --strategy; make it once, before any other use of TensorFlow.

    Raises:
      UserError: no such name, or the cluster that it needs is not described.
    """
    if name not in STRATEGIES:
        raise UserError(f"--strategy={name} is not one of {', '.join(STRATEGIES)}")
    return STRATEGIES[name]()


def all_sum(value: tf.Tensor) -> tf.Tensor:
    """The sum of a replica's value over all of them; for functions that replicas run."""
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, value)


def sum_over_replicas(distribution: tf.distribute.Strategy, value: int) -> int:
    """The sum of what all replicas of all workers give; each waits for the others."""

    @tf.function
    def add_up() -> tf.Tensor:
        return distribution.run(lambda: all_sum(tf.constant(value, tf.int64)))

    # Traced by hand: called as they are, the functions of a study's many runs draw a warning.
    total = add_up.get_concrete_function()()
    return int(distribution.experimental_local_results(total)[0])
