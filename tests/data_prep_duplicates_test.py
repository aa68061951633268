"""Near duplicates are found among photographs and pictures that the test makes itself."""

import pathlib
import re

import numpy as np
import pytest
from PIL import Image

from benchmarks.duplicate_recall import (
    CHANGES,
    find_pairs,
    make_picture,
    measure_change,
    write_pictures,
)
from data_prep import builder, duplicates, thumbnails
from data_prep import directory as directory_lib
from data_prep.builder import BuildOptions
from data_prep.duplicates import File, Pair
from data_prep.pipeline import PlanOptions
from data_prep.sources.source import SourceOptions
from revisit.data.duplicates import dropped_records, read_duplicates
from revisit.data.records import read_dataset
from revisit.errors import UserError


def find(paths, num_images):
    """The pairs that the pipeline gives, and for each band how many share a crowded key."""
    pairs = find_pairs(paths, num_images)
    return pairs, dict(directory_lib.read_found(pathlib.Path(paths[0]).parent, "crowded"))


# Pictures of few frequencies lose more hash bits at their edges than photographs do.
@pytest.mark.parametrize(
    "change, least", [(name, 0.6 if "cropped" in name else 0.97) for name in CHANGES]
)
def test_changed_pictures_are_found_and_different_ones_are_not(change, least, tmp_path):
    originals = [make_picture(seed) for seed in range(40)]
    changed = list(map(CHANGES[change], originals))
    recall, false = measure_change(originals, changed, tmp_path)
    assert recall >= least
    assert false == []


@pytest.mark.parametrize(
    "change, least", [(name, 0.85 if "cropped" in name else 0.95) for name in CHANGES]
)
def test_changed_photographs_are_found(change, least, shared_data, tmp_path):
    folder = shared_data("11_imagenet-sample-images")
    originals = [Image.open(path).convert("RGB") for path in sorted(folder.iterdir())]
    changed = list(map(CHANGES[change], originals))
    recall, false = measure_change(originals, changed, tmp_path)
    assert recall >= least
    assert false == []


# Of 10_jpeg-zoo: one picture each in many forms (modes, sizes, turned by EXIF), by name.
FAMILIES = (
    r"hopper(?!_bad_exif)",  # which is another picture
    r"testimg|testorig",
    r"(rgb|gray|cmyk)_pytorch",
    r"(rgbalpha|grayalpha|palette)_pytorch",
    r"iptc",
)


def test_the_same_picture_in_other_forms_is_one_group(shared_data, tmp_path):
    source = SourceOptions(images=str(shared_data("10_jpeg-zoo")))
    options = BuildOptions("image_folder", source, str(tmp_path / "data"), PlanOptions(), 1.0, 1)
    builder.build(options, {})
    names = np.concatenate([np.load(each)["ids"] for each in tmp_path.rglob("*.npz")])
    groups = [
        [member.id for member in group] for group in read_duplicates(read_dataset(options.out))
    ]
    for family in FAMILIES:
        expected = sorted(name for name in names if re.match(family, name.rpartition("/")[2]))
        assert len(expected) > 1
        assert expected in map(sorted, groups), family


def test_similarity_is_pearson_s_correlation_where_pictures_vary():
    first, second = (
        np.stack([thumbnails.make_thumbnail(make_picture(n)) for n in ns])
        for ns in ((0, 1), (2, 3))
    )
    flat = [pixels.reshape(2, -1) for pixels in (first, second)]
    mirrored = second[:, :, ::-1].reshape(2, -1)
    expected = [
        max(np.corrcoef(a, b)[0, 1], np.corrcoef(a, c)[0, 1]) for a, b, c in zip(*flat, mirrored)
    ]
    np.testing.assert_allclose(duplicates.similarity(first, second), expected, atol=0.01)


def test_blank_pictures_are_alike_and_unlike_others():
    blank = np.stack([np.full((24, 24), grey, np.uint8) for grey in (0, 255)])
    busy = np.stack([thumbnails.make_thumbnail(make_picture(n)) for n in (0, 1)])
    assert duplicates.similarity(blank, blank[::-1]).tolist() == [1, 1]
    assert duplicates.similarity(blank, busy).max() < 0.2


def test_a_mirrored_picture_has_the_same_keys():
    pixels = np.stack([thumbnails.make_thumbnail(make_picture(n)) for n in range(20)])
    keys, mirrored = (
        np.stack(list(duplicates.band_keys(duplicates.hash_bits(each), 20)))
        for each in (pixels, pixels[:, :, ::-1])
    )
    assert (keys == mirrored).mean() > 0.95


def check_one_group(pairs, num_images):
    groups = list(duplicates.make_groups(pairs, [File("all.npz", "", "train", 0)]))
    assert {member.group for member in groups} == {0}
    assert [member.record for member in groups] == list(range(num_images))


def test_equal_pictures_are_each_compared_with_the_first_alone(tmp_path):
    pictures = [make_picture(0), *[Image.new("RGB", (8, 8), "white")] * 600]
    pairs, crowded = find([write_pictures(tmp_path / "all.npz", pictures)], 601)
    assert [(pair.first, pair.second) for pair in sorted(pairs)] == [(1, n) for n in range(2, 601)]
    assert set(crowded.values()) == {0}


def test_many_pictures_that_hardly_differ_are_one_group_in_linear_time(tmp_path):
    one = thumbnails.make_thumbnail(make_picture(0)).clip(1, 254)
    pixels = np.tile(one.reshape(1, -1), (600, 1))
    pixels[range(500), range(500)] += 1  # another pixel of each by one grey level
    pixels[range(500, 600), range(100)] -= 1
    path = str(tmp_path / "all.npz")
    thumbnails.write_thumbnails(pathlib.Path(path), [str(n) for n in range(600)], list(pixels))
    pairs, crowded = find([path], 600)
    assert 600 < len(pairs) < 600 * duplicates.WINDOW
    assert max(crowded.values()) == 600
    check_one_group(pairs, 600)


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
    pictures = [make_picture(seed % 30) for seed in range(60)]
    whole, _ = find([write_pictures(tmp_path / "all.npz", pictures)], 60)
    halves = [
        write_pictures(tmp_path / f"{n}.npz", pictures[30 * n : 30 * n + 30]) for n in range(2)
    ]
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
    test = build(tmp_path, "test", [make_picture(seed) for seed in range(12)])
    mirrored = CHANGES["mirrored"](make_picture(3))
    pictures = [make_picture(seed) for seed in range(20, 38)] + [mirrored, make_picture(25)]
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
    test = build(tmp_path, "test", [make_picture(0)])
    next((test / "thumbnails").iterdir()).unlink()
    with pytest.raises(UserError, match=r"--evaluation_sets=.*test has no .*npz: build it again"):
        build(tmp_path, "train", [make_picture(1)], [test])
