"""What a study varies: any field of an experiment by its dotted name, and how readers are told."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

START = "start"  # the one axis that is no field: what pretraining itself starts from
DATA_SIZE = "data.fraction"
DURATION = "train.duration"


class Axis(NamedTuple):
    """How one field is shown.

    Attributes:
      title: heading.
      unit: what its levels count, as the label of a figure's axis.
      column: of the results, whose number stands for a level; "" for the field's own value.
      log: whether levels lie on a log scale.
      split: value of the field -> what else tells curves apart ("epochs" and "steps").
    """

    title: str
    unit: str
    column: str = ""
    log: bool = False
    split: Callable[[Any], str] = lambda value: ""


def duration_unit(value: Any) -> str:
    """ "4 epochs" -> "equal epochs": what is the same for all runs of a curve."""
    found = re.search(r"[a-z]+", str(value))
    unit = found.group().removesuffix("s") if found else "step"
    return f"equal {unit}s"


AXES = {
    DATA_SIZE: Axis("Data size", "pretraining images", "num_examples", log=True),
    "data.classes": Axis("Number of classes", "classes", log=True),
    "data.images_of": Axis("Images of the most frequent classes", "classes"),
    "model.depth": Axis("Capacity: depth", "layers"),
    "model.width": Axis("Capacity: width", "channels"),
    DURATION: Axis(
        "Training length",
        "pretraining images seen, repeats counted",
        "pretrain_seen",
        log=True,
        split=duration_unit,
    ),
    START: Axis("Initialisation of pretraining", "start"),
    "data.noise_wrong": Axis("Label noise: wrong", "share of labels that are wrong"),
    "data.noise_missing": Axis("Label noise: missing", "share of labels that are missing"),
    "data.dir": Axis("Data set", "data set"),
    "data.drop_duplicates": Axis("Duplicates removed", "near duplicates removed"),
}

# What the study answers, in the order of the report; the numbers are this project's.
QUESTIONS = (
    ("RQ1", "How far does more data take it?", (DATA_SIZE,)),
    ("RQ2", "Are more classes worth anything, with the same images?", ("data.classes",)),
    ("RQ3", "Does a larger model gain more?", ("model.depth", "model.width")),
    ("RQ4", "Does longer training help?", (DURATION,)),
    ("RQ5", "Does the start of pretraining matter?", (START,)),
)


def axis_of(field: str) -> Axis:
    """The row of the table; a field without one is shown by its own name."""
    return AXES.get(field, Axis(field, field))


def is_setting(column: str) -> bool:
    """Whether a column of results.csv is a varied field."""
    return "." in column or column == START


def is_of_model(field: str) -> bool:
    """Whether a field holds for the transfer of a backbone too: of the model it must."""
    return field.startswith("model.")


def write_level(field: str, value: Any) -> str:
    """A level in words: 8 of model.depth is "depth 8", "4 epochs" speaks for itself."""
    if field == DURATION:
        return re.sub(r"\d{4,}", lambda digits: f"{int(digits[0]):,}", f"{value} each")
    if field == START:
        return f"start {value}"
    name = field.rpartition(".")[2].replace("_", " ")
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return f"{name} {text or 'all'}"


def write_settings(settings: Mapping[str, Any]) -> str:
    """Several levels in words."""
    return ", ".join(write_level(field, value) for field, value in settings.items())
