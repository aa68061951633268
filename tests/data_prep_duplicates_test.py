"""Near duplicates are found among photographs and pictures that the test makes itself."""

import io
import pathlib

import apache_beam as beam
import numpy as np
import pytest
from PIL import Image, ImageEnhance

from data_prep import builder, duplicates, thumbnails
from data_prep import directory as directory_lib
from data_prep.builder import BuildOptions
from data_prep.duplicates import File, Pair
from data_prep.pipeline import PlanOptions, WriteDuplicates
from data_prep.sources.source import SourceOptions
from revisit.data.duplicates import dropped_records, read_duplicates
from revisit.data.records import read_dataset
from revisit.errors import UserError


def coded(image, quality):
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=quality)
    return Image.open(encoded).convert("RGB")


def cropped(image, share):
    width, height = image.size
    left, top = round(width * share), round(height * share)
    return image.crop((left, top, width - left, height - top))


CHANGES = {
    "as it is": lambda image: image,
    "JPEG quality 30": lambda image: coded(image, 30),
    "JPEG quality 10": lambda image: coded(image, 10),
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2)),
    "64 x 64": lambda image: coded(image.resize((64, 64)), 75),
    "cropped by 1%": lambda image: cropped(image, 0.01),
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.6),
    "more contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.4),
    "grey": lambda image: image.convert("L"),
}


def picture(seed):
    """A smooth picture of random colours, [120, 160, 3]."""
    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(0, 256, (6, 8, 3), np.uint8))
    return coarse.resize((160, 120), Image.Resampling.BICUBIC)


def write(path, pictures):
    pixels = [thumbnails.make_thumbnail(each) for each in pictures]
    thumbnails.write_thumbnails(path, [f"{path.stem}/{n}" for n in range(len(pixels))], pixels)
    return str(path)


def find(paths, num_images):
    """The pairs that the pipeline gives, and for each band how many share a crowded key."""
    directory = pathlib.Path(paths[0]).parent
    (directory / ".build").mkdir(exist_ok=True)
    files = [File(path, "", "train", 0) for path in paths]
    with beam.Pipeline() as pipeline:
        _ = pipeline | WriteDuplicates(files, str(directory), num_images)
    pairs = directory_lib.read_found(str(directory), "pairs")
    return [Pair(*each) for each in pairs], dict(directory_lib.read_found(directory, "crowded"))


def recall_and_false(originals, changed, tmp_path):
    """Share of the pairs (n, n) that are found, and the pairs (n, m) that are."""
    paths = [write(tmp_path / "a.npz", originals), write(tmp_path / "b.npz", changed)]
    pairs, _ = find(paths, 2 * len(originals))
    places = [(pair.first & 0xFFFFFFFF, pair.second & 0xFFFFFFFF) for pair in pairs]
    num_true = sum(first == second for first, second in places)
    return num_true / len(originals), [each for each in places if each[0] != each[1]]


# Pictures of few frequencies lose more hash bits at their edges than photographs do.
@pytest.mark.parametrize(
    "change, least", [(name, 0.6 if "cropped" in name else 0.97) for name in CHANGES]
)
def test_changed_pictures_are_found_and_different_ones_are_not(change, least, tmp_path):
    originals = [picture(seed) for seed in range(40)]
    changed = list(map(CHANGES[change], originals))
    recall, false = recall_and_false(originals, changed, tmp_path)
    assert recall >= least
    assert false == []


@pytest.mark.parametrize(
    "change, least", [(name, 0.85 if "cropped" in name else 0.95) for name in CHANGES]
)
def test_changed_photographs_are_found(change, least, shared_data, tmp_path):
    folder = shared_data("11_imagenet-sample-images")
    originals = [Image.open(path).convert("RGB") for path in sorted(folder.iterdir())]
    changed = list(map(CHANGES[change], originals))
    recall, false = recall_and_false(originals, changed, tmp_path)
    assert recall >= least
    assert false == []


def test_similarity_is_pearson_s_correlation_where_pictures_vary():
    first, second = (
        np.stack([thumbnails.make_thumbnail(picture(n)) for n in ns]) for ns in ((0, 1), (2, 3))
    )
    flat = [pixels.reshape(2, -1) for pixels in (first, second)]
    mirrored = second[:, :, ::-1].reshape(2, -1)
    expected = [
        max(np.corrcoef(a, b)[0, 1], np.corrcoef(a, c)[0, 1]) for a, b, c in zip(*flat, mirrored)
    ]
    np.testing.assert_allclose(duplicates.similarity(first, second), expected, atol=0.01)


def test_blank_pictures_are_alike_and_unlike_others():
    blank = np.stack([np.full((24, 24), grey, np.uint8) for grey in (0, 255)])
    busy = np.stack([thumbnails.make_thumbnail(picture(n)) for n in (0, 1)])
    assert duplicates.similarity(blank, blank[::-1]).tolist() == [1, 1]
    assert duplicates.similarity(blank, busy).max() < 0.2


def test_a_mirrored_picture_has_the_same_keys():
    pixels = np.stack([thumbnails.make_thumbnail(picture(n)) for n in range(20)])
    keys, mirrored = (
        np.stack(list(duplicates.band_keys(duplicates.hash_bits(each), 20)))
        for each in (pixels, pixels[:, :, ::-1])
    )
    assert (keys == mirrored).mean() > 0.95


def test_many_blank_pictures_are_one_group_in_linear_time(tmp_path):
    blanks = [Image.new("RGB", (8, 8), "white")] * 600
    pairs, crowded = find([write(tmp_path / "blank.npz", blanks)], 600)
    assert len(pairs) < 600 * duplicates.WINDOW
    assert set(crowded.values()) == {600}
    files = [File("blank.npz", "", "train", 0)]
    groups = list(duplicates.make_groups(pairs, files))
    assert {member.group for member in groups} == {0}
    assert [member.record for member in groups] == list(range(600))


def test_the_number_of_candidates_grows_like_that_of_pictures():
    """Random hashes, that no two pictures share: what remains are keys that agree by chance."""
    per_image = []
    for num_images in (20_000, 80_000):
        bits = np.random.default_rng(0).random((num_images, 63)) < 0.5
        num_pairs = 0
        for keys in duplicates.band_keys(bits, duplicates._sizes(num_images).band_bits):
            _, counts = np.unique(keys, return_counts=True)
            num_pairs += (counts * (counts - 1) // 2).sum()
        per_image.append(num_pairs / num_images)
    assert per_image[1] < 2 * per_image[0]  # four times, if it grew with the square


def test_groups_hold_what_pairs_connect_and_one_picture_of_the_set_at_least():
    files = [
        File("", "birds", "validation", 0),
        File("", "", "validation", 0),
        File("", "", "train", 0),
        File("", "", "train", 100),
    ]
    images = {name: (place << 32) + 7 for place, name in enumerate("abcd")}
    pairs = [
        Pair(images["c"], images["d"], "c", "d", 0.95),
        Pair(images["a"], images["c"], "a", "c", 0.92),
        Pair(images["a"], images["d"], "a", "d", 0.97),
        Pair(1, 2, "x", "y", 1.0),  # of the evaluation set alone
        Pair(images["b"], images["d"] + 1, "b", "e", 0.9),
    ]
    assert list(duplicates.make_groups(pairs, files)) == [
        (0, "birds", "validation", 7, "a", None),
        (0, "", "train", 7, "c", 0.92),
        (0, "", "train", 107, "d", 0.97),
        (1, "", "validation", 7, "b", None),
        (1, "", "train", 108, "e", 0.9),
    ]


def test_the_pairs_are_the_same_however_files_are_cut(tmp_path):
    pictures = [picture(seed % 30) for seed in range(60)]
    whole, _ = find([write(tmp_path / "all.npz", pictures)], 60)
    halves = [write(tmp_path / f"{n}.npz", pictures[30 * n : 30 * n + 30]) for n in range(2)]
    cut, _ = find(halves, 60)
    assert sorted(pair.first for pair in whole) == list(range(30))
    places = [
        ((p.first >> 32) * 30 + (p.first & 255), (p.second >> 32) * 30 + (p.second & 255))
        for p in cut
    ]
    assert sorted(places) == sorted((pair.first, pair.second) for pair in whole)


def build(root, name, pictures, evaluation_sets=()):
    """A data set of pictures, all for training; its directory."""
    lines = ["path,labels,split"]
    for number, each in enumerate(pictures):
        each.save(root / f"{name}{number}.png")
        lines.append(f"{name}{number}.png,thing,train")
    (root / f"{name}.csv").write_text("\n".join(lines))
    source = SourceOptions(manifest=str(root / f"{name}.csv"))
    plan = PlanOptions(examples_per_shard=5)
    sets = tuple(map(str, evaluation_sets))
    builder.build(BuildOptions("manifest", source, str(root / name), plan, 0.0, 1, sets), {})
    return root / name


def test_a_build_lists_what_it_shares_with_an_evaluation_set(tmp_path):
    test = build(tmp_path, "test", [picture(seed) for seed in range(12)])
    mirrored = CHANGES["mirrored"](picture(3))
    pictures = [picture(seed) for seed in range(20, 38)] + [mirrored, picture(25)]
    train = build(tmp_path, "train", pictures, [test])
    dataset = read_dataset(train)
    shared, repeated = read_duplicates(dataset)
    assert [(member.set, member.id) for member in shared] == [
        (str(test), "test3.png"),
        ("", "train18.png"),
    ]
    assert {member.id for member in repeated} == {"train5.png", "train19.png"}
    assert dropped_records(dataset, "evaluation") == [shared[1].record]
    assert len(dropped_records(dataset, "all")) == 2
    stored = [np.load(path)["ids"] for path in sorted((train / "thumbnails").iterdir())]
    assert np.concatenate(stored)[shared[1].record] == "train18.png"


def test_an_evaluation_set_without_thumbnails_is_named(tmp_path):
    test = build(tmp_path, "test", [picture(0)])
    next((test / "thumbnails").iterdir()).unlink()
    with pytest.raises(UserError, match=r"--evaluation_sets=.*test has no .*npz: build it again"):
        build(tmp_path, "train", [picture(1)], [test])
