"""What a run's directory says of the run: its config and its classes. One directory, one run.

A model outlives its data set, so what its outputs mean is kept with it.
"""

import functools
import json
import os
from typing import Any

from ml_collections import ConfigDict

from revisit.data.records import METADATA_FILE, Contents, Dataset
from revisit.data.taxonomy import load_taxonomy, save_taxonomy
from revisit.errors import UserError
from revisit.training.modes import flatten

CONFIG_FILE = "config.json"
TAXONOMY_FILE = "taxonomy.json"
DESCRIPTION = (CONFIG_FILE, TAXONOMY_FILE, METADATA_FILE)  # what a model is read back by

# Fields that configs came to have, with what was done before: a config.json without them means it.
ADDED: dict[str, Any] = {
    "data.cache_bytes": 0,
    "model.version": "v1.5",
    "model.pixels": "symmetric",
    "task.detect.fpn_channels": 0,
    "optimizer.clip_norm": 0.0,
    "probe.name": "sgd",
    "probe.features_dir": "",
    "probe.penalty": 1.0,
    "probe.shots": [5, 10],
    "probe.draws": 5,
    "train.steps_per_call": 1,
    "train.accumulate": 1,
    "train.recompute": False,
}


def _differences(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    ours, theirs = flatten(ours), flatten(theirs)
    return [
        f"{key} is {theirs.get(key)!r} there and {ours.get(key)!r} here"
        for key in sorted(set(ours) | set(theirs))
        if ours.get(key) != theirs.get(key)
    ]


def _experiment(config: ConfigDict, mode: str, init: str | None) -> dict[str, Any]:
    return json.loads(json.dumps({"mode": mode, "init": init or "", **config.to_dict()}))


def read_experiment(path: str | os.PathLike) -> dict[str, Any]:
    """A config.json: "mode", "init" and the fields of a config, those of ADDED in any case."""
    with open(path) as file:
        experiment: dict[str, Any] = json.load(file)
    for field, value in ADDED.items():
        *groups, name = field.split(".")
        group = functools.reduce(lambda outer, each: outer.setdefault(each, {}), groups, experiment)
        group.setdefault(name, value)
    return experiment


def check_same_run(
    workdir: str, config: ConfigDict, mode: str, init: str | None, dataset: Dataset
) -> None:
    """Checks that the directory holds no run, or this one.

    Raises:
      UserError: it holds another run (what differs is said), or the data's classes have changed.
    """
    path = os.path.join(workdir, CONFIG_FILE)
    if not os.path.exists(path):
        return
    differences = _differences(_experiment(config, mode, init), read_experiment(path))
    if differences:
        more = f" (and {len(differences) - 1} more)" if len(differences) > 1 else ""
        raise UserError(
            f"--workdir={workdir} holds another experiment: {differences[0]}{more}; "
            "choose another directory, or remove this one"
        )
    check_classes(workdir, dataset)


def claim(workdir: str, config: ConfigDict, mode: str, init: str | None, dataset: Dataset) -> None:
    """Makes the directory this run's: from now on no other goes on in it."""
    os.makedirs(workdir, exist_ok=True)
    save_taxonomy(dataset.taxonomy, os.path.join(workdir, TAXONOMY_FILE))
    with open(os.path.join(workdir, METADATA_FILE), "w") as file:
        json.dump({"mask_classes": _mask_classes(dataset)}, file)
    path = os.path.join(workdir, CONFIG_FILE)
    with open(path + ".tmp", "w") as file:
        json.dump(_experiment(config, mode, init), file, indent=2)
    os.replace(path + ".tmp", path)


def _mask_classes(dataset: Dataset) -> list[str]:
    return list(dataset.metadata.get("mask_classes", ()))


def check_classes(workdir: str, dataset: Dataset) -> None:
    """Raises UserError where a data set's classes are not those that the run was trained on."""
    known, taxonomy = read_classes(workdir), dataset.taxonomy
    trained = known.taxonomy
    if trained.fingerprint() != taxonomy.fingerprint():
        raise UserError(
            f"the data's taxonomy ({taxonomy.num_classes} classes, {taxonomy.fingerprint()}) "
            f"is not the one that {workdir} was trained on "
            f"({trained.num_classes} classes, {trained.fingerprint()}): "
            "use the same data set, or train anew in another --workdir"
        )
    if _mask_classes(known) != _mask_classes(dataset):
        raise UserError(
            f"masks of {dataset.directory} have the classes {_mask_classes(dataset)}, those that "
            f"{workdir} was trained on {_mask_classes(known)}: use the same data set, or train "
            "anew in another --workdir"
        )


def training_sets(workdir: str) -> list[str]:
    """Directories of the data sets that a run has learned from: its own, and, where they are
    known, those of the runs that it started from."""
    experiment = read_experiment(os.path.join(workdir, CONFIG_FILE))
    init = experiment["init"]
    # It may name a checkpoint, which lies two levels below its run.
    places = (init, os.path.dirname(os.path.dirname(init))) if init else ()
    runs = [place for place in places if os.path.exists(os.path.join(place, CONFIG_FILE))]
    return [experiment["data"]["dir"], *(each for run in runs for each in training_sets(run))]


def read_classes(workdir: str) -> Dataset:
    """The data set that a run was trained on, of which its classes alone are known."""
    with open(os.path.join(workdir, METADATA_FILE)) as file:
        metadata = json.load(file)
    return Dataset(
        "", load_taxonomy(os.path.join(workdir, TAXONOMY_FILE)), Contents(), {}, metadata
    )


def read_run(workdir: str) -> tuple[ConfigDict, str, Dataset]:
    """Config, mode and data set (of which its classes alone are known) of a run.

    Raises:
      UserError: the directory holds no run.
    """
    path = os.path.join(workdir, CONFIG_FILE)
    if not os.path.exists(path):
        raise UserError(f"--workdir={workdir} holds no run ({CONFIG_FILE} is missing)")
    experiment = read_experiment(path)
    mode = experiment.pop("mode")
    del experiment["init"]
    config = ConfigDict(experiment)
    config.lock()
    return config, mode, read_classes(workdir)
