r"""Tiny ImageNet as two data sets: one to pretrain on, and one of other classes to transfer to.

Get https://cs231n.stanford.edu/tiny-imagenet-200.zip and WordNet 3.0's data.noun (in
https://wordnetcode.princeton.edu/3.0/WordNet-3.0.tar.gz, folder dict), unpack both, then:

    python -m data_prep.examples.tiny_imagenet --images=tiny-imagenet-200 \
        --wordnet=WordNet-3.0/dict/data.noun --out=manifests
    python -m data_prep.build --manifest=manifests/pretrain.csv --images=tiny-imagenet-200 \
        --taxonomy=manifests/pretrain_classes.csv --out=data/tiny
    python -m data_prep.build --manifest=manifests/transfer.csv --images=tiny-imagenet-200 \
        --taxonomy=manifests/transfer_classes.csv --out=data/tiny_transfer

Of the 200 classes, 50 are drawn by --seed for transfer: the first 50 training images of each to
train on, the next 100 to validate. Pretraining has the other 150, with every ancestor that WordNet
gives them as a label: all their training images, and the official validation images.
"""

import csv
import os
import random
import re
from collections.abc import Iterable, Iterator, Sequence

from absl import flags

from data_prep.sources.wordnet import Synset, read_wordnet
from revisit import cli
from revisit.errors import UserError

_IMAGES = flags.DEFINE_string("images", None, "the unpacked tiny-imagenet-200", required=True)
_WORDNET = flags.DEFINE_string("wordnet", None, "WordNet 3.0's data.noun", required=True)
_OUT = flags.DEFINE_string("out", None, "folder for the manifests and class files", required=True)
_SEED = flags.DEFINE_integer("seed", 0, "of the choice of the 50 transfer classes")

NUM_TRANSFER_CLASSES = 50
TRANSFER_TRAIN = 50  # images a class
TRANSFER_VALIDATION = 100  # images a class, the next ones


def _edges(wnids: Iterable[str], wordnet: dict[str, Synset]) -> Iterator[tuple[str, str, str]]:
    """(child, parent, title) of the classes and all their ancestors; a root's parent is empty."""
    waiting = sorted(wnids)
    seen = set(waiting)
    for wnid in waiting:  # grows while it is walked
        synset = wordnet[wnid]
        for parent in synset.parents or ("",):
            yield wnid, parent, synset.title
            if parent and parent not in seen:
                seen.add(parent)
                waiting.append(parent)


def _number(name: str) -> int:
    match = re.search(r"_(\d+)\.JPEG$", name)
    return int(match[1]) if match else -1


def _training_images(root: str, wnid: str) -> list[str]:
    """Paths below the root, by the number in their names."""
    folder = f"train/{wnid}/images"
    names = sorted(os.listdir(os.path.join(root, folder)), key=_number)
    return [f"{folder}/{name}" for name in names if _number(name) >= 0]


def _validation_images(root: str) -> Iterator[tuple[str, str]]:
    with open(os.path.join(root, "val", "val_annotations.txt"), encoding="utf-8") as file:
        for line in file:
            name, wnid = line.split("\t")[:2]
            yield f"val/images/{name}", wnid


def _pretrain_rows(root: str, wnids: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    for wnid in wnids:
        for path in _training_images(root, wnid):
            yield path, wnid, "train"
    for path, wnid in _validation_images(root):
        if wnid in wnids:
            yield path, wnid, "validation"


def _transfer_rows(root: str, wnids: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    for wnid in wnids:
        paths = _training_images(root, wnid)[: TRANSFER_TRAIN + TRANSFER_VALIDATION]
        for place, path in enumerate(paths):
            yield path, wnid, "train" if place < TRANSFER_TRAIN else "validation"


def _write(path: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    print(path)


def write_manifests(root: str, wordnet: dict[str, Synset], out: str, seed: int) -> None:
    """Writes pretrain.csv, transfer.csv and the class files of both.

    Args:
      root: the unpacked tiny-imagenet-200.
      wordnet: wnid -> what it means.
      out: folder to write to.
      seed: of the choice of the transfer classes.
    """
    wnids = sorted(os.listdir(os.path.join(root, "train")))
    transfer = sorted(random.Random(seed).sample(wnids, NUM_TRANSFER_CLASSES))
    pretrain = [wnid for wnid in wnids if wnid not in transfer]
    os.makedirs(out, exist_ok=True)
    columns = "path", "labels", "split"
    _write(os.path.join(out, "pretrain.csv"), columns, _pretrain_rows(root, pretrain))
    _write(os.path.join(out, "transfer.csv"), columns, _transfer_rows(root, transfer))
    columns = "child", "parent", "title"
    _write(os.path.join(out, "pretrain_classes.csv"), columns, _edges(pretrain, wordnet))
    flat = ((wnid, "", wordnet[wnid].title) for wnid in transfer)
    _write(os.path.join(out, "transfer_classes.csv"), columns, flat)


def main(argv: Sequence[str]) -> None:
    """Writes the four files."""
    for path in (os.path.join(_IMAGES.value, "train"), _WORDNET.value):
        if not os.path.exists(path):
            raise UserError(f"no {path!r}: check --images and --wordnet")
    write_manifests(_IMAGES.value, read_wordnet(_WORDNET.value), _OUT.value, _SEED.value)


if __name__ == "__main__":
    cli.run(main)
