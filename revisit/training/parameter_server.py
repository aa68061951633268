"""Downpour SGD (Dean et al. 2012), by which the paper trained: workers that wait for nobody.

The coordinator hands out steps; each worker takes one when it has done the last, reads the weights
from the servers, and updates them there. A step's promise is kept by whichever worker does it, so a
worker that dies makes the run slower and no more, and one that comes back is given steps again.
"""

import itertools
import os
from collections.abc import Iterator
from typing import Any, TypeAlias

import tensorflow as tf

from revisit.errors import Interrupted
from revisit.training.cluster import Resolver

Distribution: TypeAlias = tf.distribute.ParameterServerStrategy

STEPS_AHEAD = 4  # that are handed out beyond those at work, for each worker


def serve(resolver: Resolver) -> None:
    """Works for a coordinator until this process is ended."""
    os.environ["GRPC_FAIL_FAST"] = "use_caller"  # else calls fail while a peer restarts
    spec = resolver.cluster_spec()
    config = tf.compat.v1.ConfigProto()
    # A worker waits for the others inside operations, and must not run out of threads by it.
    config.inter_op_parallelism_threads = max(os.cpu_count() or 1, spec.num_tasks("worker") + 1)
    server = tf.distribute.Server(
        spec,
        job_name=resolver.task_type,
        task_index=resolver.task_id,
        protocol=resolver.rpc_layer or "grpc",
        config=config,
    )
    server.join()
    raise Interrupted("the coordinator has gone")


class Downpour:
    """How the coordinator calls steps and deals batches: the functions of a Strategy."""

    def __init__(self, distribution: Distribution, num_workers: int) -> None:
        """Args:
        distribution: of the cluster. num_workers: in it.
        """
        self._coordinator = tf.distribute.coordinator.ClusterCoordinator(distribution)
        self._num_workers = num_workers

    def deal(self, distribution: Distribution, make_batches: Any) -> Iterator[Any]:
        """Every worker its own part of the examples; the same iterator stands for all of them."""

        def of_this_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
            index = tf.distribute.coordinator.experimental_get_current_worker_index()
            return make_batches(_Place(tf.cast(index, tf.int64), self._num_workers))

        def dataset() -> Any:
            return distribution.distribute_datasets_from_function(of_this_worker)

        return itertools.repeat(iter(self._coordinator.create_per_worker_dataset(dataset)))

    def bind(self, step: Any) -> Any:
        """A step that is handed out, and returns its promise at once."""
        handed_out: list[Any] = []

        @tf.function
        def next_step(iterator: Any, stopped: tf.Tensor) -> tf.Tensor:
            return step(next(iterator), stopped)

        def call(iterator: Any, stopped: tf.Tensor) -> Any:
            handed_out.append(self._coordinator.schedule(next_step, args=(iterator, stopped)))
            if len(handed_out) > STEPS_AHEAD * self._num_workers:
                handed_out.pop(0).fetch()  # so that a signal finds few steps to wait for
            return handed_out[-1]

        return call

    def fetch(self, promises: list[Any]) -> tf.Tensor:
        """Waits for steps that were handed out; their figures."""
        return tf.stack(self._coordinator.fetch(promises))


class _Place:
    """A worker's place, as tf.distribute.InputContext tells it; the index is a tensor."""

    def __init__(self, index: tf.Tensor, num_workers: int) -> None:
        self.input_pipeline_id = index
        self.num_input_pipelines = num_workers

    def get_per_replica_batch_size(self, batch_size: int) -> int:
        return batch_size
