"""The operator's files are what TensorFlow Serving and Docker Compose read; the recipes' jobs."""

import pathlib
import re
import subprocess

import pytest
import yaml
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)
from tensorflow_serving.config import model_server_config_pb2

from revisit import cli

SERVING = pathlib.Path(__file__).resolve().parent.parent / "serving"
RECIPES = (SERVING.parent / "docs" / "recipes.md").read_text()

# From tensorflow_serving/servables/tensorflow/session_bundle_config.proto and
# config/monitoring_config.proto (2.21), whose messages tensorflow-serving-api leaves out.
SCHEMA = """
name: "serving_config.proto" package: "tensorflow.serving" syntax: "proto3"
dependency: "google/protobuf/wrappers.proto"
message_type { name: "BatchingParameters"
  field { name: "max_batch_size" number: 1 type: TYPE_MESSAGE
          type_name: ".google.protobuf.Int64Value" }
  field { name: "batch_timeout_micros" number: 2 type: TYPE_MESSAGE
          type_name: ".google.protobuf.Int64Value" }
  field { name: "max_enqueued_batches" number: 3 type: TYPE_MESSAGE
          type_name: ".google.protobuf.Int64Value" }
  field { name: "num_batch_threads" number: 4 type: TYPE_MESSAGE
          type_name: ".google.protobuf.Int64Value" }
  field { name: "allowed_batch_sizes" number: 6 type: TYPE_INT64 label: LABEL_REPEATED } }
message_type { name: "PrometheusConfig"
  field { name: "enable" number: 1 type: TYPE_BOOL }
  field { name: "path" number: 2 type: TYPE_STRING } }
message_type { name: "MonitoringConfig"
  field { name: "prometheus_config" number: 1 type: TYPE_MESSAGE
          type_name: ".tensorflow.serving.PrometheusConfig" } }
"""


def parse(file, message_name):
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    schema = text_format.Parse(SCHEMA, descriptor_pb2.FileDescriptorProto())
    pool.AddSerializedFile(schema.SerializeToString())
    descriptor = pool.FindMessageTypeByName(f"tensorflow.serving.{message_name}")
    message = message_factory.GetMessageClass(descriptor)()
    return text_format.Parse((SERVING / file).read_text(), message)


def test_the_models_are_named():
    config = text_format.Parse(
        (SERVING / "models.config").read_text(), model_server_config_pb2.ModelServerConfig()
    )
    (model,) = config.model_config_list.config
    assert (model.name, model.base_path, model.model_platform) == (
        "revisit",
        "/models/revisit",
        "tensorflow",
    )


def test_the_largest_allowed_batch_is_the_largest_batch():
    # Else the server refuses to start.
    batching = parse("batching_parameters.txt", "BatchingParameters")
    sizes = list(batching.allowed_batch_sizes)
    assert sizes == sorted(sizes)
    assert sizes[-1] == batching.max_batch_size.value == 32


def test_metrics_are_at_the_path_that_the_readme_gives():
    monitoring = parse("monitoring.config", "MonitoringConfig")
    assert monitoring.prometheus_config.enable
    assert (
        f"localhost:8501{monitoring.prometheus_config.path}" in (SERVING / "README.md").read_text()
    )


def test_compose_pins_the_server_and_mounts_what_it_names():
    service = yaml.safe_load((SERVING / "compose.yaml").read_text())["services"]["revisit"]
    assert service["image"] == "tensorflow/serving:2.21.0"
    mounted = dict(volume.removesuffix(":ro").rsplit(":", 1) for volume in service["volumes"])
    assert mounted == {"${MODELS:-../models}": "/models", ".": "/etc/revisit"}
    for flag in service["command"]:
        name, _, value = flag.partition("=")
        if name.endswith("_config_file"):
            assert (SERVING / pathlib.Path(value).relative_to("/etc/revisit")).exists()


def test_kubernetes_starts_the_server_as_compose_does():
    deployment, service = yaml.safe_load_all((SERVING / "kubernetes.yaml").read_text())
    composed = yaml.safe_load((SERVING / "compose.yaml").read_text())["services"]["revisit"]
    pod = deployment["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    assert container["image"] == composed["image"]
    assert container["args"] == composed["command"]
    labels = pod["metadata"]["labels"]
    assert labels == deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {port["name"]: port["port"] for port in service["spec"]["ports"]}
    mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounted == {"models": "/models", "config": "/etc/revisit"}
    assert {volume["name"] for volume in pod["spec"]["volumes"]} == set(mounted)
    monitoring = parse("monitoring.config", "MonitoringConfig").prometheus_config.path
    assert pod["metadata"]["annotations"]["prometheus.io/path"] == monitoring


@pytest.mark.parametrize(
    ("status", "is_put_back"), [(0, False), (1, False), (2, False), (75, True), (137, True)]
)
def test_recipes_batch_job_is_put_back_only_where_it_can_go_on(status, is_put_back):
    (script,) = re.findall(r"```sh\n(#!/bin/bash\n.*?)```", RECIPES, re.DOTALL)
    stand_ins = f"srun() {{ return {status}; }}\nscontrol() {{ echo put back; }}\n"
    finished = subprocess.run(["bash", "-c", stand_ins + script], capture_output=True, text=True)
    assert ("put back" in finished.stdout) == is_put_back


def test_recipes_job_is_a_cluster_that_training_finds():
    (manifest,) = re.findall(r"```yaml\n(.*?)```", RECIPES, re.DOTALL)
    job = yaml.safe_load(manifest)["spec"]
    pod = job["template"]
    (container,) = pod["spec"]["containers"]
    environment = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert environment == {
        "REVISIT_POD_SELECTOR": "job=" + pod["metadata"]["labels"]["job"],
        "REVISIT_NUM_WORKERS": str(job["completions"]),
        "HOST_IP": None,
    }
    assert job["completions"] == job["parallelism"]
    assert pod["spec"]["hostNetwork"]
    assert pod["spec"]["restartPolicy"] == "Never"  # what Kubernetes wants beside a failure policy
    (rule,) = job["podFailurePolicy"]["rules"]
    mistakes = {"containerName": container["name"], "operator": "In"}
    mistakes["values"] = [cli.EXIT_USER_ERROR, cli.EXIT_WRONG_FLAGS]
    assert rule == {"action": "FailJob", "onExitCodes": mistakes}
    assert "--strategy=multi_worker" in container["command"]
