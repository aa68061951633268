"""Labels in four states (positive, positive with a confidence, verified negative, unknown), closed
over the taxonomy: an image of a dog is one of an animal; where no animal is, no dog is.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from data_prep.sources.source import Annotations, Reject, Row
from data_prep.sources.taxonomies import unknown_label
from revisit.data.taxonomy import Taxonomy

SPLITS = ("train", "validation", "test")


class LabelError(ValueError):
    """Labels that can't be used; the message is the reason."""


class Labels(NamedTuple):
    """The closed labels of one image, as class ids.

    Attributes:
      leaf: as given, each once, in the order given.
      positive: ascending, with all ancestors.
      confidence: one for each of `positive`, in (0, 1]; an ancestor's is the highest below it.
      negative: verified to be absent, ascending, with all descendants.
      truth: the clean truth, ascending, with all ancestors; None where the source has none.
      num_conflicts: given labels that were dropped because others contradict them.
    """

    leaf: tuple[int, ...]
    positive: tuple[int, ...]
    confidence: tuple[float, ...]
    negative: tuple[int, ...]
    truth: tuple[int, ...] | None
    num_conflicts: int


def _id(name: str, taxonomy: Taxonomy) -> int:
    if name not in taxonomy.ids:
        raise LabelError(unknown_label(name, taxonomy))
    return taxonomy.ids[name]


def _given(row: Row, taxonomy: Taxonomy) -> dict[int, float]:
    """Class id -> its highest confidence, in the order given."""
    given: dict[int, float] = {}
    for name, confidence in row.positives:
        if not 0 < confidence <= 1:
            raise LabelError(f"confidence {confidence!r} of label {name!r} is not in (0, 1]")
        id_ = _id(name, taxonomy)
        given[id_] = max(confidence, given.get(id_, 0))
    return given


def _close(given: dict[int, float], taxonomy: Taxonomy) -> dict[int, float]:
    closed = dict(given)
    for id_, confidence in given.items():
        for ancestor in taxonomy.ancestors(id_):
            closed[ancestor] = max(confidence, closed.get(ancestor, 0))
    return dict(sorted(closed.items()))


def _refuted(id_: int, confidence: float, denied: set[int], taxonomy: Taxonomy) -> bool:
    return confidence < 1 and not denied.isdisjoint((id_, *taxonomy.ancestors(id_)))


def close_labels(row: Row, taxonomy: Taxonomy) -> Labels:
    """Closes the labels of one image over the taxonomy.

    Positives go up to every ancestor, verified negatives down to every descendant. Where the two
    contradict each other, the surer one stays: a verified negative beats a positive with a
    confidence below 1 at or below it, and a positive of confidence 1 beats a verified negative at
    or above it.

    Raises:
      LabelError: an unknown name, a confidence outside (0, 1], or no labels at all (an image that
        was annotated may have none: nothing was found on it).
    """
    given = _given(row, taxonomy)
    denied = {_id(name, taxonomy) for name in row.negatives}
    if not given and not denied and row.annotations is None:
        raise LabelError("no labels")
    kept = {
        id_: confidence
        for id_, confidence in given.items()
        if not _refuted(id_, confidence, denied, taxonomy)
    }
    closed = _close(kept, taxonomy)
    absent = denied - closed.keys()
    truth = None if row.truth is None else [_id(name, taxonomy) for name in row.truth]
    return Labels(
        leaf=tuple(kept),
        positive=tuple(closed),
        confidence=tuple(closed.values()),
        negative=tuple(sorted(absent.union(*map(taxonomy.descendants, absent)))),
        truth=None if truth is None else taxonomy.close(truth),
        num_conflicts=len(given) - len(kept) + len(denied) - len(absent),
    )


def _place(row: Row) -> tuple[int, str, str]:
    # "labels.csv:9" before "labels.csv:10": the order of the file, whatever order a runner gives.
    return len(row.origin), row.origin, repr(row)


def join_rows(rows: Iterable[Row]) -> tuple[Row, list[Reject]]:
    """Makes one row of all rows that share an id.

    Rows with the first one's reference and split are the same image: their labels are joined.
    Others are duplicates of its id, and are rejected.
    """
    first, *others = sorted(rows, key=_place)
    same = [first]
    rejects = []
    for row in others:
        if (row.reference, row.split) == (first.reference, first.split):
            same.append(row)
        else:
            reason = f"duplicate id: {first.origin} has it with another image or split"
            rejects.append(Reject(row.origin, row.id, reason))
    return _join(same), rejects


def _join(rows: Sequence[Row]) -> Row:
    first = rows[0]
    if len(rows) == 1:
        return first
    truths = [row.truth for row in rows if row.truth is not None]
    return first._replace(
        positives=tuple(label for row in rows for label in row.positives),
        negatives=tuple(name for row in rows for name in row.negatives),
        truth=tuple(name for truth in truths for name in truth) if truths else None,
        annotations=_join_annotations(rows),
    )


def _join_annotations(rows: Sequence[Row]) -> Annotations | None:
    """The objects and people of all rows; the mask and the size of the first that has one."""
    drawn = [row.annotations for row in rows if row.annotations is not None]
    if not drawn:
        return None
    return Annotations(
        objects=tuple(each for annotations in drawn for each in annotations.objects),
        mask=next((each.mask for each in drawn if each.mask is not None), None),
        people=tuple(each for annotations in drawn for each in annotations.people),
        size=next((each.size for each in drawn if each.size is not None), None),
    )
