"""Near duplicates: the same picture coded again, resized, brightened, mirrored or slightly cropped.

Three steps, from cheap to sure. (1) A perceptual hash of each thumbnail: the signs of its 63 lowest
frequencies (the DCT hash that is known as pHash). (2) Images that agree in a band, a sample of the
hash's bits, are candidates: locality-sensitive hashing by bit sampling (Gionis, Indyk, Motwani
1999). A band and its mirror image share a key, since a mirrored picture only changes the signs of
odd horizontal frequencies: training flips its pictures, so a mirrored evaluation image is leaked
as much as an equal one. (3) The thumbnails of the candidates are compared by the correlation of
their pixels, each variance raised by a constant, as SSIM does (Wang et al. 2004): so two blank
pictures are alike, and a blank one is unlike any other.

A band has as many bits as the number of images has, so keys are shared by few and the number of
candidates grows in proportion to that of images. Equal thumbnails are candidates with the first of
them, which alone is compared with others. Where many that differ share a key all the same (scans of
one form, frames of one film), each is compared with its `WINDOW` neighbors in the order of hashes
alone, and they are counted.

What is joined is hashes, in files (see `grouping`); thumbnails are read again where candidates are.
So memory does not grow with the number of images, but for a few hundred bytes a near duplicate.
"""

import csv
import functools
import hashlib
import itertools
import math
import os
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.sparse.csgraph
import tensorflow_datasets as tfds
from apache_beam.pvalue import TaggedOutput

from data_prep.grouping import GroupInFiles
from data_prep.thumbnails import read_thumbnails, thumbnails_path
from revisit.data.duplicates import TRAIN, Member
from revisit.data.records import DUPLICATES_FILE, Dataset, shard_name
from revisit.errors import UserError

SIMILARITY = 0.94  # of near duplicates, at least; docs/duplicates.md measures it
WINDOW = 32

_FREQUENCIES = 8  # of each axis: 64 without the mean make the hash
_NUM_BITS = _FREQUENCIES**2 - 1
_NUM_BANDS = 16
_MIN_BAND_BITS = 16
_MAX_DIFFERENT_BITS = 14  # of candidates: a crop of 2.5% from each side changes 10 of 95 in 100
_VALUES_PER_PART = 2**17  # of a band that one worker holds
_FLAT = 1e-3  # grey levels: a coefficient below is rounding
_STABLE_VARIANCE = 4  # grey levels^2: a picture that varies less is blank

# The signs that change when a picture is mirrored: odd horizontal frequencies.
_MIRRORED = np.tile(np.arange(_FREQUENCIES) % 2 == 1, _FREQUENCIES)[1:]

_PAIRS, _CROWDED = "pairs", "crowded"

Bits = npt.NDArray[np.bool_]
Pixels = npt.NDArray[np.uint8]
Images = npt.NDArray[np.int64]  # file << 32 | record in it: the images in order


class File(NamedTuple):
    """The thumbnails of one shard.

    Attributes:
      path: where they lie.
      set: "" for the data set itself, else the name of an evaluation set.
      split: of the set.
      first_record: place of its first record in the split.
    """

    path: str
    set: str
    split: str
    first_record: int


def evaluation_files(name: str, dataset: Dataset) -> list[File]:
    """The thumbnails of an evaluation set: of its validation and test splits, or of all it has.

    Raises:
      UserError: it was built before there were thumbnails.
    """
    splits = [split for split in dataset.shards if split != TRAIN] or list(dataset.shards)
    files = []
    for split in splits:
        first = 0
        for shard in dataset.shards[split]:
            path = thumbnails_path(dataset.directory, os.path.basename(shard.path))
            if not path.exists():
                raise UserError(f"--evaluation_sets={name} has no {path}: build it again")
            files.append(File(os.fspath(path), name, split, first))
            first += shard.num_examples
    return files


def own_files(directory: str, lengths: Mapping[str, Sequence[int]]) -> list[File]:
    """The thumbnails of a data set whose shards are written, those of the train split last.

    Args:
      directory: the data set's.
      lengths: split -> number of images in each of its shards.
    """
    files = []
    for split in sorted(lengths, key=lambda split: (split == TRAIN, split)):
        first_records = itertools.accumulate(lengths[split], initial=0)
        for place, first_record in zip(range(len(lengths[split])), first_records):
            name = shard_name(split, place, len(lengths[split]))
            path = thumbnails_path(directory, name)
            files.append(File(os.fspath(path), "", split, first_record))
    return files


class Pair(NamedTuple):
    """Two near duplicates, in the order of files and records, and how alike they are."""

    first: int
    second: int
    first_id: str
    second_id: str
    similarity: float


def hash_bits(pixels: Pixels) -> Bits:
    """[n, 24, 24] uint8 -> [n, 63] bool."""
    spectrum = scipy.fft.dctn(pixels.astype(np.float64), axes=(1, 2), norm="ortho")
    low = spectrum[:, :_FREQUENCIES, :_FREQUENCIES].reshape(len(pixels), _FREQUENCIES**2)
    return np.asarray(low[:, 1:] > _FLAT)


def band_keys(bits: Bits, num_bits: int) -> Iterator[npt.NDArray[np.int64]]:
    """[n, 63] bool -> for each band [n] int64: equal for images that agree in it, mirrored or not.

    Args:
      bits: of `hash_bits`.
      num_bits: of a band.
    """
    weights = 1 << np.arange(num_bits, dtype=np.int64)
    for band in range(_NUM_BANDS):
        places = random.Random(band).sample(range(_NUM_BITS), num_bits)
        upright, mirrored = bits[:, places], (bits ^ _MIRRORED)[:, places]
        yield np.minimum(upright @ weights, mirrored @ weights)


def _digests(pixels: Pixels) -> npt.NDArray[np.uint64]:
    """[n, 24, 24] uint8 -> [n]: equal for equal thumbnails, and hardly ever for others."""
    digests = (hashlib.blake2b(each.tobytes(), digest_size=8).digest() for each in pixels)
    return np.frombuffer(b"".join(digests), np.uint64)


def _pack(bits: Bits) -> npt.NDArray[np.uint64]:
    padded = np.pad(bits, ((0, 0), (0, 64 - _NUM_BITS)))
    return np.packbits(padded, axis=1, bitorder="little").view(np.uint64)[:, 0]


def _num_different(first: npt.NDArray[np.uint64], second: npt.NDArray[np.uint64]) -> Any:
    """Bits of [n] hashes that differ, the second mirrored if that makes them fewer."""
    mirrored = first ^ second ^ _pack(_MIRRORED[None])[0]
    return np.minimum(np.bitwise_count(first ^ second), np.bitwise_count(mirrored))


def similarity(first: Pixels, second: Pixels) -> npt.NDArray[np.float64]:
    """[n, 24, 24] uint8 twice -> [n], at most 1: the better of as they are and one mirrored."""
    mirrored = second[:, :, ::-1]
    return np.maximum(_structure(first, second), _structure(first, mirrored))


def _structure(first: Pixels, second: Pixels) -> Any:
    a, b = (pixels.reshape(len(pixels), -1).astype(np.int64) for pixels in (first, second))
    num_pixels = a.shape[1]

    def covariance(x: Any, y: Any) -> Any:  # sums of integers are exact in any order
        return ((x * y).sum(1) * num_pixels - x.sum(1) * y.sum(1)) / num_pixels**2

    variances = [covariance(x, x) + _STABLE_VARIANCE for x in (a, b)]
    return (covariance(a, b) + _STABLE_VARIANCE) / np.sqrt(variances[0] * variances[1])


class _Sizes(NamedTuple):
    """What the number of images decides: bits in a band, and the parts that a band is cut into."""

    band_bits: int
    num_parts: int


def _sizes(num_images: int) -> _Sizes:
    bits = math.ceil(math.log2(max(1, num_images)))
    return _Sizes(max(_MIN_BAND_BITS, bits), math.ceil(max(1, num_images) / _VALUES_PER_PART))


def _to_bands(file: tuple[int, str], sizes: _Sizes) -> Iterator[tuple[Any, Any]]:
    """One shard -> ((band, part), (keys, hashes, digests, images)), a part being a range of
    keys."""
    place, path = file
    pixels = read_thumbnails(path).pixels
    bits = hash_bits(pixels)
    columns = _pack(bits), _digests(pixels), (place << 32) + np.arange(len(bits))
    for band, keys in enumerate(band_keys(bits, sizes.band_bits)):
        parts = keys * sizes.num_parts >> sizes.band_bits
        for part in np.unique(parts).tolist():
            here = parts == part
            yield (band, part), (keys[here], *(column[here] for column in columns))


def _num_crowded(keys: npt.NDArray[np.int64]) -> int:
    _, counts = np.unique(keys, return_counts=True)
    return int(counts[counts > WINDOW + 1].sum())


def _candidates(part: tuple[Any, Iterable[Any]]) -> Iterator[Any]:
    """A part of a band -> (file of the first, [m, 2] images), and how many share a crowded key."""
    (band, _), blocks = part
    keys, hashes, digests, images = map(np.concatenate, zip(*blocks))
    order = np.lexsort((images, digests, hashes, keys))
    is_new = np.append(True, np.diff(digests[order]) != 0)  # a thumbnail unlike the one before
    if band == 0:  # equal thumbnails meet in every band
        pairs = _with_first(images[order], is_new)
        yield from _by_file(pairs, pairs[:, 0] >> 32)
    keys, hashes, images = (column[order][is_new] for column in (keys, hashes, images))
    yield TaggedOutput(_CROWDED, (band, _num_crowded(keys)))
    for distance in range(1, min(WINDOW + 1, len(keys))):
        near = keys[:-distance] == keys[distance:]
        near &= _num_different(hashes[:-distance], hashes[distance:]) <= _MAX_DIFFERENT_BITS
        pairs = np.sort(np.stack([images[:-distance][near], images[distance:][near]], 1), axis=1)
        yield from _by_file(pairs, pairs[:, 0] >> 32)


def _with_first(images: Images, is_new: npt.NDArray[np.bool_]) -> Images:
    """Images in runs, each of which begins where `is_new` -> [m, 2]: the first of a run with each
    other of it."""
    firsts = images[is_new][np.cumsum(is_new) - 1]
    return np.stack([firsts, images], 1)[~is_new]


def _by_file(pairs: Images, files: Images) -> Iterator[tuple[int, Images]]:
    for file in np.unique(files).tolist():
        yield file, pairs[files == file]


def _attach_first(group: tuple[int, Iterable[Images]], paths: Sequence[str]) -> Iterator[Any]:
    """The candidates of one file, each once -> (file of the second, pairs, ids and pixels of the
    first)."""
    file, blocks = group
    pairs = np.unique(np.concatenate(list(blocks)), axis=0)
    thumbnails = read_thumbnails(paths[file])
    for second, some in _by_file(pairs, pairs[:, 1] >> 32):
        records = some[:, 0] & 0xFFFFFFFF
        yield second, (some, thumbnails.ids[records], thumbnails.pixels[records])


def _compare(group: tuple[int, Iterable[Any]], paths: Sequence[str]) -> Iterator[Pair]:
    """The candidates whose second is in one file -> those that are near duplicates."""
    file, blocks = group
    thumbnails = read_thumbnails(paths[file])
    for pairs, ids, pixels in blocks:
        records = pairs[:, 1] & 0xFFFFFFFF
        similarities = similarity(pixels, thumbnails.pixels[records])
        for place in np.flatnonzero(similarities >= SIMILARITY).tolist():
            first, second = pairs[place].tolist()
            names = str(ids[place]), str(thumbnails.ids[records[place]])
            yield Pair(first, second, *names, round(float(similarities[place]), 4))


class FindDuplicates(beam.PTransform):
    """PCollection of (place, path of thumbnails) -> {"pairs": Pair, "crowded": (band, images)}.

    Args:
      paths: of all files, each at its place.
      num_images: in all of them.
      directory: for what is joined; every worker must reach it.
    """

    def __init__(self, paths: Sequence[str], num_images: int, directory: str) -> None:
        super().__init__()
        self._paths = tuple(paths)
        self._sizes = _sizes(num_images)
        self._directory = directory

    def expand(self, files: Any) -> dict[str, Any]:
        """Builds the steps."""
        candidates = (
            files
            | "Bands" >> beam.FlatMap(_to_bands, self._sizes)
            | "JoinBand" >> GroupInFiles(self._directory)
            | "Candidates" >> beam.FlatMap(_candidates).with_outputs(_CROWDED, main=_PAIRS)
        )
        pairs = (
            candidates[_PAIRS]
            | "JoinFirst" >> GroupInFiles(self._directory)
            | "AttachFirst" >> beam.FlatMap(functools.partial(_attach_first, paths=self._paths))
            | "JoinSecond" >> GroupInFiles(self._directory)
            | "Compare" >> beam.FlatMap(functools.partial(_compare, paths=self._paths))
        )
        crowded = candidates[_CROWDED] | "SumBand" >> beam.CombinePerKey(sum)
        return {"pairs": pairs, "crowded": crowded}


def _components(pairs: Sequence[Pair]) -> list[list[int]]:
    """The images that pairs connect, directly or through others; each group in order."""
    ends = np.array([[pair.first, pair.second] for pair in pairs], np.int64).reshape(-1, 2)
    images, nodes = np.unique(ends, return_inverse=True)
    nodes = nodes.reshape(-1, 2)
    weights = np.ones(len(nodes), np.int8)
    graph = scipy.sparse.coo_matrix((weights, (nodes[:, 0], nodes[:, 1])), (len(images),) * 2)
    _, labels = scipy.sparse.csgraph.connected_components(graph, directed=False)
    groups: dict[int, list[int]] = {}
    for image, label in zip(images.tolist(), labels.tolist()):
        groups.setdefault(label, []).append(image)
    return sorted(groups.values())


def make_groups(pairs: Iterable[Pair], files: Sequence[File]) -> Iterator[Member]:
    """The groups of near duplicates that have an image of the data set itself, as rows of
    duplicates.csv.

    Args:
      pairs: all near duplicates, in any order.
      files: all that were compared, evaluation images first.
    """
    ordered = sorted(pairs)
    ids: dict[int, str] = {}
    best: dict[int, float] = {}
    for pair in ordered:
        ids.update({pair.first: pair.first_id, pair.second: pair.second_id})
        best[pair.second] = max(pair.similarity, best.get(pair.second, 0.0))
    components = _components(ordered)
    own = (group for group in components if any(not files[image >> 32].set for image in group))
    for number, group in enumerate(own):
        for image in group:
            file = files[image >> 32]
            record = file.first_record + (image & 0xFFFFFFFF)
            yield Member(number, file.set, file.split, record, ids[image], best.get(image))


def write_duplicates(directory: str, members: Iterable[Member]) -> None:
    """Writes duplicates.csv."""
    with (tfds.core.Path(directory) / DUPLICATES_FILE).open("w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Member._fields)
        writer.writerows(members)
