"""From a workdir to a version of a served model: the SavedModel, its assets, warm-up and card.

OUT/3/saved_model.pb, variables/     what TensorFlow Serving loads
OUT/3/assets/                        config.json, taxonomy.json, metadata.json, thresholds.csv
OUT/3/assets.extra/                  warm-up requests
OUT/3/model_card.md                  for people
"""

import pathlib
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import tensorflow as tf

from revisit.errors import UserError
from revisit.serving.card import write_card
from revisit.serving.signatures import make_signatures
from revisit.serving.thresholds import find_thresholds, write_thresholds
from revisit.serving.versions import list_versions
from revisit.serving.warmup import write_warmup_requests
from revisit.serving.weights import WEIGHTS_DTYPES
from revisit.training import checkpoint
from revisit.training.model import LoadedModel, load_model
from revisit.training.workdir import DESCRIPTION


class Options(NamedTuple):
    """What may differ between exports of one run.

    Attributes:
      which: checkpoint to take, "last" or "best".
      pyramid: whether the signature `features` also gives the feature maps of all stages.
      weights_dtype: key of WEIGHTS_DTYPES, how kernels are stored; they compute as in training.
      license: of the model, for its card.
      keep: versions that are kept, the newest; 0 keeps all.
    """

    which: str = "last"
    pyramid: bool = False
    weights_dtype: str = "float32"
    license: str = "not stated"
    keep: int = 0


DEFAULTS = Options()


def export(workdir: str, out: str, options: Options = DEFAULTS) -> pathlib.Path:
    """Exports a trained model as the next version of a served one.

    Args:
      workdir: what revisit.train wrote.
      out: directory of the served model's versions; made if need be.
      options: what may differ.

    Returns:
      The new version's directory, OUT/<number>.

    Raises:
      UserError: there is no trained model in `workdir`, or `out` cannot be written.
    """
    loaded = load_model(workdir, options.which)
    thresholds = find_thresholds(workdir, options.which, loaded)
    WEIGHTS_DTYPES[options.weights_dtype](loaded)
    with _aside(pathlib.Path(out)) as directory:
        signatures = make_signatures(loaded, thresholds, options.pyramid)
        _write_saved_model(loaded, signatures, pathlib.Path(workdir), directory)
        write_thresholds(directory, thresholds)
        write_warmup_requests(directory, signatures, loaded.task.image_size)
        write_card(directory, pathlib.Path(workdir), loaded, options.license)
        version = _publish(directory)
    if options.keep:
        _remove(pathlib.Path(out), list_versions(pathlib.Path(out))[: -options.keep])
    return version


def _write_saved_model(
    loaded: LoadedModel,
    signatures: Mapping[str, Any],
    workdir: pathlib.Path,
    directory: pathlib.Path,
) -> None:
    module = tf.Module()
    # The variables, not the Keras models around them: those would be traced and written once more,
    # layer by layer, for Keras alone to read. Under a checkpoint's names, they are one themselves.
    module.backbone = checkpoint.named(loaded.backbone.variables)
    module.head = checkpoint.named(loaded.head.variables)
    module.assets = [tf.saved_model.Asset(str(workdir / name)) for name in DESCRIPTION]
    tf.saved_model.save(module, str(directory), signatures=signatures)


@contextmanager
def _aside(out: pathlib.Path) -> Iterator[pathlib.Path]:
    """A new directory in `out` whose name no server takes for a version; gone if the work fails."""
    directory = out / f".exporting-{uuid.uuid4().hex[:8]}"
    try:
        # Not tempfile's: its directories are closed to other users, the server among them.
        directory.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"cannot write to --out={str(out)!r}: {error.strerror}") from error
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _publish(directory: pathlib.Path) -> pathlib.Path:
    """Renames to the next number: a server that looks sees all of the version or none of it."""
    while True:
        version = max(list_versions(directory.parent), default=0) + 1
        target = directory.with_name(str(version))
        try:
            return directory.rename(target)
        except OSError:
            if not target.exists():
                raise
            # Another export took the number since we looked: take the next.


def _remove(out: pathlib.Path, versions: Iterable[int]) -> None:
    """Renamed before it is deleted: a server sees all of a version or none of it here too."""
    for version in versions:
        aside = out / f".removing-{version}-{uuid.uuid4().hex[:8]}"
        (out / str(version)).rename(aside)
        shutil.rmtree(aside)
