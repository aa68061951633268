"""revisit.training.cluster: who this process is, by TF_CONFIG, Slurm and Kubernetes."""

import json
import sys
import types

import pytest

from revisit.errors import Interrupted, UserError
from revisit.training import cluster

WORKERS = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in cluster.RESOLVERS:
        monkeypatch.delenv(variable, raising=False)


def _role(resolver: cluster.Resolver) -> tuple[str, int, dict]:
    return resolver.task_type, resolver.task_id, resolver.cluster_spec().as_dict()


def test_tf_config_is_taken_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", json.dumps(WORKERS))
    found = cluster.find_cluster("multi_worker", ("worker",))
    assert _role(found) == ("worker", 1, {"worker": ["a:1", "b:2"]})


def test_slurm_makes_each_task_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    step = {
        "SLURM_STEP_NUM_TASKS": "4",
        "SLURM_STEP_NODELIST": "n[1-2]",
        "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
        "SLURM_PROCID": "2",
    }
    for name, value in step.items():
        monkeypatch.setenv(name, value)
    addresses = ["n1:8888", "n1:8889", "n2:8888", "n2:8889"]
    assert _role(cluster.find_cluster("multi_worker", ("worker",))) == (
        "worker",
        2,
        {"worker": addresses},
    )


def _pod(name: str, host: str, phase: str) -> types.SimpleNamespace:
    return types.SimpleNamespace(
        metadata=types.SimpleNamespace(name=name),
        status=types.SimpleNamespace(phase=phase, host_ip=host),
    )


def _fake_kubernetes(answers: list[list]) -> types.ModuleType:
    """A package whose client lists, at each call, the next of some lists of pods."""

    def list_pods(label_selector: str, field_selector: str) -> types.SimpleNamespace:
        assert (label_selector, field_selector) == ("run=first", "status.phase!=Failed")
        pods = answers.pop(0) if len(answers) > 1 else answers[0]
        return types.SimpleNamespace(items=[pod for pod in pods if pod.status.phase != "Failed"])

    api = types.SimpleNamespace(list_pod_for_all_namespaces=list_pods)
    module = types.ModuleType("kubernetes")
    module.client = types.SimpleNamespace(CoreV1Api=lambda: api)
    module.config = types.SimpleNamespace(load_incluster_config=lambda: None)
    return module


@pytest.fixture
def _pods(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVISIT_POD_SELECTOR", "run=first")
    monkeypatch.setenv("REVISIT_NUM_WORKERS", "2")
    monkeypatch.setenv("HOST_IP", "10.0.0.2")
    monkeypatch.setattr(cluster.time, "sleep", lambda seconds: None)


@pytest.mark.usefixtures("_pods")
def test_kubernetes_waits_for_all_pods(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = _pod("p-0", "10.0.0.1", "Running"), _pod("p-1", "10.0.0.2", "Running")
    pending = _pod("p-1", "10.0.0.2", "Pending")
    failed = _pod("p-2", "10.0.0.2", "Failed")  # whose place p-1 takes
    answers = [[one], [one, pending], [failed, other, one]]
    monkeypatch.setitem(sys.modules, "kubernetes", _fake_kubernetes(answers))
    addresses = {"worker": ["10.0.0.1:8470", "10.0.0.2:8470"]}
    assert _role(cluster.find_cluster("multi_worker", ("worker",))) == ("worker", 1, addresses)


@pytest.mark.usefixtures("_pods")
def test_pods_that_never_run_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "POD_SECONDS", 0.01)
    monkeypatch.setitem(sys.modules, "kubernetes", _fake_kubernetes([[]]))
    with pytest.raises(Interrupted, match="REVISIT_NUM_WORKERS=2 pods do not all run after"):
        cluster.find_cluster("multi_worker", ("worker",))


@pytest.mark.usefixtures("_pods")
def test_a_missing_kubernetes_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    with pytest.raises(UserError, match="needs the package kubernetes .pip install kubernetes"):
        cluster.find_cluster("multi_worker", ("worker",))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"cluster": {}}', json.dumps({**WORKERS, "task": {"type": "ps"}})]
)
def test_a_tf_config_that_says_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match="does not describe a cluster and a task of it"):
        cluster.find_cluster("multi_worker", ("worker",))


def test_a_cluster_without_the_roles_or_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="needs a cluster, and the environment describes none"):
        cluster.find_cluster("multi_worker", ("worker",))
    monkeypatch.setenv("TF_CONFIG", json.dumps(WORKERS))
    with pytest.raises(UserError, match="the cluster has no chief, ps"):
        cluster.find_cluster("parameter_server", ("chief", "worker", "ps"))
