"""report.json and report.html, beside the data: what a data set holds, for people to judge."""

import base64
import bisect
import dataclasses
import html
import io
import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from data_prep.report import (
    FEW_IMAGES,
    few_images,
    labels_an_image,
    reject_reasons,
    shown_split,
    taxonomy_figures,
)
from data_prep.shards import ShardKey, read_report
from data_prep.tfrecord import read_features, read_frames, read_ids
from revisit.data.duplicates import Member, dropped_records, read_duplicates
from revisit.data.records import Dataset, Shard, count_examples, read_dataset
from revisit.data.taxonomy import Taxonomy
from revisit.data.views import take_fraction

_REPORT_JSON, _REPORT_HTML = "report.json", "report.html"
_NUM_SAMPLES = 24
_NUM_GROUPS, _NUM_MEMBERS = 12, 6  # of near duplicates, and of one group
_PICTURE_SIDE = 128  # pixels

_FRACTIONS = (0.01, 0.1, 1.0)  # of the records: the nested subsets of a data-size study
_NUM_CLASSES = 12  # whose shares the page shows, from the most to the least frequent

_CSS = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.3rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
td, th { padding: .25rem .5rem; border-bottom: 1px solid #8885; text-align: left;
         overflow-wrap: anywhere; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(7.5rem, 1fr)); gap: .6rem; }
figure { margin: 0; font-size: .75rem; line-height: 1.25; overflow-wrap: anywhere; }
figure img { width: 100%; background: #fff; } details { font-size: .75rem; }
"""


@dataclasses.dataclass(frozen=True)
class Build:
    """What only the build knows: how many images it read this time, and how long it took."""

    num_images: int
    seconds: float


def _split_figures(dataset: Dataset, split: str) -> dict[str, Any]:
    given, closed = labels_an_image(dataset, split)
    return {
        "images": dataset.num_examples(split),
        "bytes": sum(tfds.core.Path(s.path).stat().length for s in dataset.shards[split]),
        "labels_an_image_given": given,
        "labels_an_image_closed": closed,
        "checksums": dict(
            zip(
                (tfds.core.Path(shard.path).name for shard in dataset.shards[split]),
                dataset.metadata["checksums"][split],
            )
        ),
    }


def _duplicate_figures(dataset: Dataset, groups: Sequence[Sequence[Member]]) -> dict[str, int]:
    return {
        "groups": len(groups),
        "images of this set": sum(not member.set for group in groups for member in group),
        "training images like evaluation images": len(dropped_records(dataset, "evaluation")),
        "images compared with some only": dataset.metadata["num_crowded"],
    }


def figures(dataset: Dataset, build: Build) -> dict[str, Any]:
    """The content of report.json."""
    splits = dataset.shards
    groups = list(read_duplicates(dataset))
    return {
        "splits": {split: _split_figures(dataset, split) for split in splits},
        "images_per_second": build.num_images / max(build.seconds, 1e-9),
        "taxonomy": taxonomy_figures(dataset.taxonomy),
        "classes_with_few_images": {split: few_images(dataset, split) for split in splits},
        "first_records": {
            f"{fraction:.0%}": _subset_figures(dataset, shown_split(dataset), fraction)
            for fraction in _FRACTIONS
        },
        "rejects": dict(reject_reasons(dataset.directory)),
        "duplicates": _duplicate_figures(dataset, groups),
    }


def _records(shards: Iterable[Shard]) -> Iterator[dict[str, bytes]]:
    for shard in shards:
        frames = itertools.islice(read_frames(tfds.core.Path(shard.path)), shard.num_examples)
        yield from map(read_features, frames)


def _count_first(dataset: Dataset, split: str, shards: Sequence[Shard]) -> Counter[int]:
    """Class id -> images of the first shards: the build counted whole ones, a part is read here."""
    counts: Counter[int] = Counter()
    for place, (part, whole) in enumerate(zip(shards, dataset.shards[split])):
        if part == whole:
            key = ShardKey(split, place, len(dataset.shards[split]))
            counts.update(read_report(dataset.directory, key).positive_counts)
        else:
            for record in _records([part]):
                counts.update(read_ids(record["labels/positive"]))
    return counts


def _subset_figures(dataset: Dataset, split: str, fraction: float) -> dict[str, Any]:
    """How the classes' shares of images in the first records hold against those in all."""
    taxonomy = dataset.taxonomy
    shards = take_fraction(dataset.shards[split], fraction)
    num_images, found = count_examples(shards), _count_first(dataset, split, shards)
    counts = np.array([found[id_] for id_ in range(taxonomy.num_classes)])
    whole = np.array(dataset.metadata["positive_counts"][split]) / dataset.num_examples(split)
    differences = np.abs(counts / num_images - whole)
    is_leaf = np.isin(np.arange(len(counts)), taxonomy.leaves())
    return {
        "images": num_images,
        "classes_with_images": int((counts > 0).sum()),
        "largest_difference_of_a_leaf's_share": float(differences[is_leaf].max(initial=0)),
        "largest_difference_of_an_ancestor's_share": float(differences[~is_leaf].max(initial=0)),
        "images_a_class": dict(zip(taxonomy.names, counts.tolist())),
    }


def _data_uri(encoded: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(encoded).decode()}"


def _picture(pixels: Image.Image, words: str) -> str:
    pixels.thumbnail((_PICTURE_SIDE, _PICTURE_SIDE))
    encoded = io.BytesIO()
    pixels.convert("RGB").save(encoded, "JPEG", quality=75)
    text = html.escape(words)
    uri = _data_uri(encoded.getvalue(), "jpeg")
    return f'<figure><img alt="{text}" src="{uri}"><figcaption>{text}</figcaption></figure>'


def _sample(record: dict[str, bytes], dataset: Dataset) -> str:
    titles = [dataset.taxonomy.titles[id_] for id_ in read_ids(record["labels/leaf"])]
    return _picture(Image.open(io.BytesIO(record["image"])), ", ".join(titles) or "(none)")


def _grid(pictures: Iterable[str]) -> str:
    return f'<div class="grid">{"".join(pictures)}</div>'


def _read_record(shards: Sequence[Shard], place: int) -> dict[str, bytes]:
    """The record at a place in its split."""
    ends = list(itertools.accumulate(shard.num_examples for shard in shards))
    number = bisect.bisect_right(ends, place)
    place_in_shard = place - ends[number] + shards[number].num_examples
    frames = read_frames(tfds.core.Path(shards[number].path))
    return read_features(next(itertools.islice(frames, place_in_shard, None)))


def _member(member: Member, dataset: Dataset) -> str:
    record = _read_record(dataset.shards[member.split], member.record)
    words = f"{member.set} {member.split}: {member.id}".strip()
    alike = f", {member.similarity} alike" if member.similarity else ""
    return _picture(Image.open(io.BytesIO(record["image"])), words + alike)


def _duplicates(dataset: Dataset) -> Iterator[str]:
    """A grid of pictures for each of some groups, those with evaluation images first."""
    names = dataset.metadata["evaluation_sets"]
    sets = {"": dataset, **{name: read_dataset(name) for name in names}}
    groups = sorted(
        read_duplicates(dataset), key=lambda group: -any(member.is_evaluation for member in group)
    )
    for group in groups[:_NUM_GROUPS]:
        yield _grid(_member(member, sets[member.set]) for member in group[:_NUM_MEMBERS])


def _tail(dataset: Dataset, split: str) -> str:
    """Images a class, most frequent first, both axes logarithmic; lines at 20 and 100 images."""
    counts = np.sort(dataset.metadata["positive_counts"][split])[::-1]
    figure, axes = plt.subplots(figsize=(7, 3))
    axes.loglog(np.arange(1, len(counts) + 1), np.maximum(counts, 0.5))
    for few in FEW_IMAGES:
        axes.axhline(few, linestyle=":", color="gray")
        axes.annotate(f"{(counts < few).sum():,} classes below {few}", (1, few), va="bottom")
    axes.set(xlabel="class, by frequency", ylabel=f"{split} images")
    axes.set_ylim(top=max(axes.get_ylim()[1], 3 * max(FEW_IMAGES)))  # room for the lines' words
    figure.tight_layout()
    encoded = io.BytesIO()
    figure.savefig(encoded, format="png", dpi=130)
    plt.close(figure)
    text = f"{split}: images a class, most frequent first"
    return f'<figure><img alt="{text}" src="{_data_uri(encoded.getvalue(), "png")}"></figure>'


def _table(rows: Iterable[Iterable[Any]]) -> str:
    cells = ("".join(f"<td>{html.escape(str(value))}</td>" for value in row) for row in rows)
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"


def _subset_rows(subsets: dict[str, Any], taxonomy: Taxonomy) -> Iterator[tuple[str, ...]]:
    """One column a subset: its figures, then the shares of classes from the most to the least
    frequent."""
    *_, whole = subsets.values()
    yield "first", *subsets
    for name in whole:
        if name != "images_a_class":
            yield (
                name.replace("_", " "),
                *(f"{round(each[name], 4):,}" for each in subsets.values()),
            )
    names = sorted(whole["images_a_class"], key=lambda name: -whole["images_a_class"][name])
    ranks = np.unique(np.linspace(0, len(names) - 1, _NUM_CLASSES).round().astype(int))
    for name in (names[rank] for rank in ranks):
        shares = (each["images_a_class"][name] / each["images"] for each in subsets.values())
        title = taxonomy.titles[taxonomy.ids[name]]
        yield f"share of {title}", *(f"{share:.3%}" for share in shares)


def _split_rows(split: str, of_split: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield f"{split}: images", f"{of_split['images']:,}"
    yield f"{split}: bytes", f"{of_split['bytes']:,}"
    given, closed = of_split["labels_an_image_given"], of_split["labels_an_image_closed"]
    yield f"{split}: labels an image", f"{given:.2f} given, {closed:.2f} with ancestors"


def render(dataset: Dataset, report: dict[str, Any]) -> str:
    """The page that shows report.json's figures, with pictures."""
    split = shown_split(dataset)
    rows = [row for name, each in report["splits"].items() for row in _split_rows(name, each)]
    samples = itertools.islice(_records(dataset.shards[split]), _NUM_SAMPLES)
    checksums = [pair for each in report["splits"].values() for pair in each["checksums"].items()]
    parts = [
        "<h1>What the data set holds</h1>",
        _table([*rows, ("images/s", f"{report['images_per_second']:,.0f}")]),
        f"<h2>Images a class</h2>{_tail(dataset, split)}",
        f"<h2>The first records of {split}</h2>"
        f"{_table(_subset_rows(report['first_records'], dataset.taxonomy))}",
        f"<h2>Taxonomy</h2>{_table((name, f'{n:,}') for name, n in report['taxonomy'].items())}",
        f"<h2>Rejected</h2>{_table(report['rejects'].items() or [('none', '')])}",
        f"<h2>Near duplicates</h2>{_table(report['duplicates'].items())}",
        *_duplicates(dataset),
        f"<h2>Sample of {split}</h2>{_grid(_sample(record, dataset) for record in samples)}",
        f"<details><summary>SHA-256 of each shard</summary>{_table(checksums)}</details>",
    ]
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Data set</title><style>{_CSS}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def write_report(dataset: Dataset, build: Build) -> None:
    """Writes report.json and report.html into the data set's directory, before the build tidies up
    what it knows of each shard."""
    root = tfds.core.Path(dataset.directory)
    report = figures(dataset, build)
    (root / _REPORT_JSON).write_text(json.dumps(report, indent=2) + "\n")
    (root / _REPORT_HTML).write_text(render(dataset, report))
