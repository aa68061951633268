"""Which processes there are, and which of them this one is: what the environment says of a cluster.

TF_CONFIG says it as every TensorFlow user knows it:

    {"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}

Under Slurm and Kubernetes TensorFlow's own resolvers find it out.
"""

import contextlib
import functools
import json
import os
import time
import types
from collections.abc import Callable
from typing import TypeAlias

import tensorflow as tf

from revisit.errors import Interrupted, UserError

POD_SECONDS = 600.0  # that pods have to start

Resolver: TypeAlias = tf.distribute.cluster_resolver.ClusterResolver


def _tf_config() -> Resolver:
    try:
        config = json.loads(os.environ["TF_CONFIG"])
        config["cluster"][config["task"]["type"]][config["task"]["index"]]
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise UserError(
            f"TF_CONFIG={os.environ['TF_CONFIG']!r} does not describe a cluster and a task of it "
            f"({error!r})"
        ) from error
    return tf.distribute.cluster_resolver.TFConfigClusterResolver()


def _slurm() -> Resolver:
    """A worker for each task of the job step; srun's own flags give each its GPUs."""
    num_tasks = int(os.environ["SLURM_STEP_NUM_TASKS"])
    # TensorFlow's resolver counts a node's tasks by its GPUs, and fails where there are none.
    resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
        gpus_per_node=num_tasks, gpus_per_task=1, auto_set_gpu=False
    )
    resolver.cluster_spec()
    resolver.task_type, resolver.task_id = resolver.get_task_info()
    return resolver


def _running_pods(resolver: Resolver, count: int) -> list[str]:
    """Addresses of all pods, once all of them run."""
    deadline = time.monotonic() + POD_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(RuntimeError):  # a pod that has not started yet
            addresses = resolver.cluster_spec().as_dict().get("worker", [])
            if len(addresses) == count:
                return addresses
        time.sleep(1.0)
    # No mistake for sure: a host that was lost may take longer to be replaced.
    raise Interrupted(
        f"REVISIT_NUM_WORKERS={count} pods do not all run after {POD_SECONDS:.0f} s: see kubectl "
        "get pods, and REVISIT_POD_SELECTOR"
    )


def _kubernetes() -> Resolver:
    """A worker for each pod, one a host, in the host's network.

    The pods' environment says REVISIT_POD_SELECTOR (a label selector that is theirs alone),
    REVISIT_NUM_WORKERS and HOST_IP (status.hostIP of the downward API). Kubeflow's training
    operator sets TF_CONFIG, and needs none of this.
    """
    try:
        from kubernetes import client, config
    except ImportError as error:
        raise UserError(
            "a cluster on Kubernetes needs the package kubernetes (pip install kubernetes), "
            "or TF_CONFIG in the environment"
        ) from error
    config.load_incluster_config()
    # Pods that failed and were replaced stay listed, and the resolver would wait for them to run.
    list_pods = functools.partial(
        client.CoreV1Api().list_pod_for_all_namespaces, field_selector="status.phase!=Failed"
    )
    resolver = tf.distribute.cluster_resolver.KubernetesClusterResolver(
        {"worker": [os.environ["REVISIT_POD_SELECTOR"]]},
        override_client=types.SimpleNamespace(list_pod_for_all_namespaces=list_pods),
    )
    hosts = _running_pods(resolver, int(os.environ["REVISIT_NUM_WORKERS"]))
    own = [address.startswith(os.environ["HOST_IP"] + ":") for address in hosts]
    resolver.task_type, resolver.task_id = "worker", own.index(True)
    return resolver


# A variable of the environment -> how a cluster is found where it is set; the first that is counts.
RESOLVERS: dict[str, Callable[[], Resolver]] = {
    "TF_CONFIG": _tf_config,
    "SLURM_STEP_NUM_TASKS": _slurm,
    "REVISIT_POD_SELECTOR": _kubernetes,
}


def find_cluster(strategy: str, kinds: tuple[str, ...]) -> Resolver:
    """The cluster that this process belongs to.

    Args:
      strategy: what needs it, for the message.
      kinds: of roles, at least one process of each.

    Raises:
      UserError: the environment describes none, or one without such roles.
      Interrupted: Kubernetes has not started all pods in time.
    """
    found = [make for variable, make in RESOLVERS.items() if variable in os.environ]
    if not found:
        raise UserError(
            f"--strategy={strategy} needs a cluster, and the environment describes none: set "
            "TF_CONFIG, start it under Slurm or Kubernetes, or try it here with revisit.launch"
        )
    resolver = found[0]()
    missing = set(kinds) - set(resolver.cluster_spec().jobs)
    if missing:
        raise UserError(
            f"--strategy={strategy} needs processes of the kinds {', '.join(kinds)}; the cluster "
            f"has no {', '.join(sorted(missing))}"
        )
    return resolver
