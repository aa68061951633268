"""Where a step runs: a row for each tf.distribute strategy.

All of these share one way of training: the step runs on every replica, which takes its part of the
global batch, and gradients are summed over replicas by the optimizer. Clusters are described as
every TensorFlow user knows it, by TF_CONFIG or the environment of a Cloud TPU.
"""

import json
import os
from collections.abc import Callable

import tensorflow as tf

from revisit.errors import UserError


def _one_device() -> tf.distribute.Strategy:
    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    return tf.distribute.OneDeviceStrategy(f"/{kind}:0")


def _multi_worker() -> tf.distribute.Strategy:
    cluster = json.loads(os.environ.get("TF_CONFIG", "{}"))
    if "worker" not in cluster.get("cluster", {}):
        raise UserError(
            "--strategy=multi_worker needs TF_CONFIG in the environment: "
            '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}'
        )
    return tf.distribute.MultiWorkerMirroredStrategy()


def _tpu() -> tf.distribute.Strategy:
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(os.environ.get("TPU_NAME", ""))
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, tf.errors.OpError) as error:
        raise UserError(f"--strategy=tpu found no TPU (set TPU_NAME): {error}") from error
    return tf.distribute.TPUStrategy(resolver)


STRATEGIES: dict[str, Callable[[], tf.distribute.Strategy]] = {
    "one_device": _one_device,
    "mirrored": tf.distribute.MirroredStrategy,
    "multi_worker": _multi_worker,
    "tpu": _tpu,
}


def make_strategy(name: str) -> tf.distribute.Strategy:
    """The strategy of --strategy; make it once, before any other use of TensorFlow.

    Raises:
      UserError: no such name, or the cluster that it needs is not described.
    """
    if name not in STRATEGIES:
        raise UserError(f"--strategy={name} is not one of {', '.join(STRATEGIES)}")
    return STRATEGIES[name]()


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes what there is one of: logs, results, checkpoints."""
    resolver = strategy.cluster_resolver
    return resolver is None or not resolver.task_type or resolver.task_id in (None, 0)
