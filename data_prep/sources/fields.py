"""What a manifest's line, or a JSON file beside an image, says of one image.

A label is a name (a number is one too), or has a confidence and a state:

    "dog"    {"name": "dog", "confidence": 0.7}    {"name": "cat", "state": "negative"}

A confidence is a number from 0 to 1; 0 says that the label was verified to be absent, as the state
`negative` does. The state `unknown` says that nobody knows, as leaving the label out does;
`positive` says what a confidence above 0 says.
"""

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from data_prep.sources.source import SPLIT_NAMES, Row
from revisit.data.taxonomy import is_text


class Statement(NamedTuple):
    """What is said of one class: how sure it is that it is there; 0: verified to be absent."""

    name: str
    confidence: float = 1.0


def read_confidence(given: Any) -> float:
    """A confidence as a number.

    Raises:
      ValueError: not a number from 0 to 1.
    """
    try:
        confidence = float(given)
    except (TypeError, ValueError):
        confidence = -1.0
    if not 0 <= confidence <= 1:
        raise ValueError(f"confidence {given!r} is not a number from 0 to 1")
    return confidence


def _positive(statement: Statement) -> list[Statement]:
    if statement.confidence == 0:
        raise ValueError(f"label {statement.name!r} is positive with confidence 0")
    return [statement]


_STATES: Mapping[str, Callable[[Statement], list[Statement]]] = {
    "": lambda statement: [statement],
    "positive": _positive,
    "negative": lambda statement: [statement._replace(confidence=0.0)],
    "unknown": lambda statement: [],
}


def apply_state(statements: Iterable[Statement], state: str) -> list[Statement]:
    """What the statements come to in a state, in any case; an empty one changes nothing.

    Raises:
      ValueError: no such state, or a positive with confidence 0.
    """
    if not isinstance(state, str) or state.lower() not in _STATES:
        raise ValueError(f"state {state!r} is none of positive, negative, unknown")
    return [each for statement in statements for each in _STATES[state.lower()](statement)]


def _json_statements(label: Any, default: Mapping[str, Any]) -> list[Statement]:
    given = {**default, **(label if isinstance(label, dict) else {"name": label})}
    name = given.get("name")
    if isinstance(name, bool) or not isinstance(name, str | int) or not is_text(str(name)):
        raise ValueError(
            f"label {label!r} is neither a name nor {{'name': ..., 'confidence': ...}}"
        )
    return apply_state([Statement(str(name), read_confidence(given["confidence"]))], given["state"])


def read_json_labels(fields: Mapping[str, Any]) -> list[Statement]:
    """The statements of a JSON object: its list `labels`, or its one `label`; its own `confidence`
    and `state` are those of the labels that give none.

    Raises:
      ValueError: they have another form.
    """
    labels = fields.get("labels", [fields["label"]] if "label" in fields else [])
    if not isinstance(labels, list):
        raise ValueError(f"labels {labels!r} is not a list")
    default = {"confidence": fields.get("confidence", 1), "state": fields.get("state", "")}
    return [statement for label in labels for statement in _json_statements(label, default)]


def split_names(cell: str) -> list[str]:
    """The names in a cell, which stand with `;` or `|` between them."""
    return [name.strip() for name in re.split("[;|]", cell) if name.strip()]


def _negatives(fields: Mapping[str, Any]) -> list[str]:
    given = fields.get("negatives") or []
    names = split_names(given) if isinstance(given, str) else given
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"negatives {given!r} is not a list of names")
    return names


def read_path(fields: Mapping[str, Any], allow_outside: bool) -> str:
    """The path that the fields give, without detours.

    Args:
      fields: `path` is wanted.
      allow_outside: whether it may be absolute or leave the folder of images by `..`.

    Raises:
      ValueError: it may not, or there is none.
    """
    given = fields.get("path")
    if not isinstance(given, str) or not given:
        raise ValueError("no path")
    path = posixpath.normpath(given)
    outside = posixpath.isabs(path) or path.split("/")[0] == ".."
    if "\0" in path or (outside and not allow_outside):
        raise ValueError(
            f"path {given!r} leaves the folder of images (--allow_outside_paths allows it)"
        )
    return path


def make_row(
    fields: Mapping[str, Any], statements: Iterable[Statement], path: str, origin: str
) -> Row:
    """A row whose reference is its path.

    Args:
      fields: `id`, `split` and `negatives` are optional.
      statements: of its labels.
      path: of its image; its id too, unless the fields give one.
      origin: where it was read.

    Raises:
      ValueError: negatives that are no list of names.
    """
    statements = list(statements)
    split = str(fields.get("split") or "")
    return Row(
        id=str(fields.get("id") or path),
        reference=path,
        positives=tuple((name, sure) for name, sure in statements if sure > 0),
        negatives=(*_negatives(fields), *(name for name, sure in statements if sure == 0)),
        split=SPLIT_NAMES.get(split.lower(), split) or None,
        origin=origin,
    )
