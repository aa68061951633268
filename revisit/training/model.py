"""The model of a run: backbone and head, made afresh or read back from a workdir."""

import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf
import tf_keras as keras
from ml_collections import ConfigDict

from revisit.data.taxonomy import Taxonomy
from revisit.errors import UserError
from revisit.models.formats import Conventions, conventions_of
from revisit.models.readers import find_reader
from revisit.models.resnet import make_resnet
from revisit.tasks import Task, make_task
from revisit.tasks.task import Batch
from revisit.training import checkpoint
from revisit.training import workdir as workdirs

# Fields of config.model that shapes of weights don't show, and that change what they compute: a
# stem may or may not pool.
UNSEEN = (*Conventions._fields, "stem", "batch_norm_epsilon")


class LoadedModel(NamedTuple):
    """A trained model, and what is known of it.

    Attributes:
      config: of the run.
      mode: key of MODES.
      task: without a data set; its `serve` and `eval_example` work.
      backbone: image -> pyramid.
      head: pyramid -> outputs.
      taxonomy: of the classes that it was trained on.
      step: of the checkpoint.
      loaded: what was loaded, for people.
    """

    config: ConfigDict
    mode: str
    task: Task
    backbone: keras.Model
    head: keras.Model
    taxonomy: Taxonomy
    step: int
    loaded: str


def make_models(config: ConfigDict, task: Task) -> tuple[keras.Model, keras.Model]:
    """Backbone and head with fresh weights, the same for the same seed."""
    keras.utils.set_random_seed(config.seed)
    backbone = make_resnet(config.model)
    return backbone, task.make_head(backbone)


def freeze_batch_norm(model: keras.Model) -> None:
    """From now on its batch norms use the moving statistics, and nothing of them is trained.

    Batches of one image have no statistics of their own (Faster R-CNN and DeepLab do so).
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False


def forward(
    backbone: keras.Model,
    head: keras.Model,
    batch: Batch,
    train_backbone: bool,
    training: bool,
) -> dict[str, tf.Tensor]:
    """A batch, of which the image is enough where the head needs no more -> the head's outputs.

    Args:
      backbone: image -> pyramid.
      head: from its `input_names`; stages of the backbone beyond those are not computed.
      batch: "image" [B, H, W, 3] float32 in [-1, 1], and what else the head looks at; or, instead
        of the image, the levels of the pyramid that the head looks at.
      train_backbone: whether batch norm uses the batch's statistics, and updates the moving ones.
      training: whether the head is trained.
    """
    fields = {name: batch[name] for name in head.input_names if name in batch}
    levels = {
        name: backbone.output[name]
        for name in head.input_names
        if name in backbone.output and name not in fields
    }
    if levels:
        fields |= keras.Model(backbone.input, levels)(batch["image"], training=train_backbone)
    return head(fields, training=training)


def predict(
    task: Task, backbone: keras.Model, head: keras.Model, batch: Batch
) -> dict[str, tf.Tensor]:
    """Outputs as evaluation and serving have them: of a model at rest, by the task's `predict`."""

    def run(views: Batch) -> dict[str, tf.Tensor]:
        return forward(backbone, head, views, train_backbone=False, training=False)

    return dict(task.predict(run, batch))


def load_weights(prefix: str, backbone: keras.Model, head: keras.Model) -> str:
    """Assigns both models' variables from a checkpoint; says what was loaded.

    Raises:
      UserError: the checkpoint does not fit to the last variable.
    """
    models = (("backbone", backbone), ("head", head))
    return "; ".join(
        checkpoint.load_variables(prefix, group, checkpoint.named(model.variables))
        for group, model in models
    )


def load_backbone(init: str, backbone: keras.Model, model: ConfigDict) -> str:
    """Assigns a backbone's variables from what --init names; says what was loaded.

    Args:
      init: a run's workdir, a checkpoint, or what revisit.models.readers reads.
      backbone: of the shape that the weights have.
      model: `config.model`, of which the backbone was made.

    Raises:
      UserError: there are no weights there, they do not fit to the last variable, or they belong
        to a network that computes something else.
    """
    variables = checkpoint.named(backbone.variables)
    read = find_reader(init)
    if read is None:
        prefix = checkpoint.find_checkpoint(init)
        loaded = checkpoint.load_variables(prefix, "backbone", variables)
        written = _run_model(prefix)
    else:
        written = read(init, backbone)._asdict()
        loaded = f"{len(variables)} backbone variables from {init}, {checkpoint.proof(variables)}"
    _require(written, init, model)
    return loaded


def _run_model(prefix: str) -> dict[str, Any]:
    """The fields UNSEEN of the run that wrote a checkpoint; a lone checkpoint is taken for one of
    the default conventions."""
    described = [parent / workdirs.CONFIG_FILE for parent in pathlib.Path(prefix).parents]
    written = [workdirs.read_experiment(path)["model"] for path in described[:3] if path.exists()]
    model = written[0] if written else conventions_of()._asdict()
    return {field: model[field] for field in UNSEEN if field in model}


def _require(written: Mapping[str, Any], init: str, model: ConfigDict) -> None:
    flags = [
        f"--config.model.{field}={wanted}"
        for field, wanted in written.items()
        if wanted != model[field]
    ]
    if flags:
        raise UserError(f"--init={init} has the weights of another network: add {' '.join(flags)}")


def load_model(workdir: str, which: str = "last") -> LoadedModel:
    """Reads a run's model back, with averaged weights where the run kept them.

    Args:
      workdir: of the run.
      which: checkpoint to take, "last" or "best".

    Raises:
      UserError: the directory holds no run, or no such checkpoint.
    """
    config, mode, dataset = workdirs.read_run(workdir)
    task = make_task(config, dataset)
    backbone, head = make_models(config, task)
    prefix = checkpoint.find_checkpoint(workdir, which)
    loaded = load_weights(prefix, backbone, head)
    step = int(prefix.rsplit("-", 1)[1])
    return LoadedModel(config, mode, task, backbone, head, dataset.taxonomy, step, loaded)
