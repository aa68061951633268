import functools
import json

import numpy as np
import pytest
import tensorflow as tf

from data_prep import images, shards, sorting
from data_prep.directory import find_finished
from data_prep.labels import Labels
from data_prep.shards import Example, ShardKey
from data_prep.sources.source import Annotations, Object, Picture, Reject, Row, Source
from revisit.data import records
from revisit.data.records import Contents
from revisit.data.taxonomy import make_taxonomy

LABELS = Labels((1,), (0, 1), (1.0, 0.5), (), None, 0)
KEY = ShardKey("train", 0, 1)
NOTHING_MORE = Contents()


def read(row):
    if row.reference == "broken":
        raise FileNotFoundError(2, "No such file", "photos/broken.jpg")
    encoded = images.encode_mask(np.full((4, 4), int(row.reference), np.uint8))
    return Picture(encoded, Annotations((Object((0, 0, 0.5, 1), "b"),)))


def make_source(contents=NOTHING_MORE):
    return Source(make_taxonomy(["a", "b"], [("b", "a")]), contents, lambda: iter(()), read)


def make_examples(*references):
    return [
        Example(place, "train", Row(f"id{place}", reference, (), origin=f"f:{place}"), LABELS)
        for place, reference in enumerate(references)
    ]


@pytest.fixture
def directory(tmp_path):
    (tmp_path / ".build").mkdir()
    return str(tmp_path)


def write_shard(directory, source, *references):
    path = sorting.write_items(make_examples(*references), directory + "/.build", "examples")
    shards.write_shard(KEY, [path], source, directory)


def read_shard(directory, contents=NOTHING_MORE):
    path = f"{directory}/{KEY.name}"
    return [records.parse_record(one, contents) for one in tf.data.TFRecordDataset(path)]


def test_hashes_are_fixed_for_ever():
    # Data sets that people built depend on them.
    assert shards.hash_id("a/1.jpg", 0, "order") == 7505327863205251038
    assert shards.hash_id("a/1.jpg", 1, "order") != shards.hash_id("a/1.jpg", 0, "order")
    assert shards.hash_id("a/1.jpg", 0, "split") != shards.hash_id("a/1.jpg", 0, "order")


def test_hashes_are_uniform():
    fractions = [shards.hash_fraction(f"{n}.jpg", 0, "order") for n in range(20_000)]
    counts, _ = np.histogram(fractions, bins=10, range=(0, 1))
    assert np.all(np.abs(counts - 2000) < 5 * 2000**0.5)


def test_shards_are_ranges_of_the_order(tmp_path):
    examples = [make_examples("1")[0]._replace(order=quarter * 2**62) for quarter in range(4)]
    examples.insert(2, examples[1]._replace(split="test"))
    halves = [
        sorting.write_items(half, str(tmp_path), "half") for half in (examples[:2], examples[2:])
    ]
    keys = shards.shard_keys({"train": 100}, examples_per_shard=25)
    found = [[example.order for example in shards.read_shard(key, halves)] for key in keys]
    assert found == [[0], [2**62], [2**63], [3 * 2**62]]


@pytest.mark.parametrize("num_images, expected", [(0, 1), (1, 1), (149, 1), (151, 2), (1000, 10)])
def test_the_number_of_shards_is_the_nearest(num_images, expected):
    assert shards.count_shards(num_images, 100) == expected


def test_a_shard_holds_its_records_in_order(directory):
    write_shard(directory, make_source(), "1", "2", "3")
    found = read_shard(directory)
    assert [record["id"].numpy() for record in found] == [b"id0", b"id1", b"id2"]
    assert found[0]["labels"]["confidence"].numpy().tolist() == [1.0, 0.5]


def test_annotations_come_with_the_pixels(directory):
    contents = Contents(truth=True, objects=True, mask=True, people=True)
    write_shard(directory, make_source(contents), "1")
    (record,) = read_shard(directory, contents)
    assert record["objects"]["box"].numpy().tolist() == [[0, 0, 0.5, 1]]
    assert record["objects"]["label"].numpy().tolist() == [1]
    assert record["objects"]["area"].numpy().tolist() == [8]  # of 4 x 4 pixels
    assert record["objects"]["is_crowd"].numpy().tolist() == [False]
    assert tf.io.decode_png(record["mask"]).shape == (4, 4, 1)
    assert record["people"]["keypoints"].shape == (0, 17, 3)


def test_the_report_counts(directory):
    write_shard(directory, make_source(), "1", "broken", "2")
    report = shards.read_report(directory, KEY)
    assert report.num_examples == 2
    assert report.positive_counts == {0: 2, 1: 2}
    assert (report.max_positives, report.max_negatives, report.num_given) == (2, 0, 2)
    assert report.single_label
    assert report.rejects == [Reject("f:1", "id1", "photos/broken.jpg: No such file")]


def test_reports_add_up():
    one = shards.ShardReport(num_examples=1, max_positives=5)
    one.positive_counts.update([3, 4])
    two = shards.ShardReport(num_examples=2, max_positives=4, single_label=False)
    two.positive_counts.update([4])
    merged = shards.ShardReport()
    merged.add(one)
    merged.add(two)
    assert (merged.num_examples, merged.max_positives, merged.single_label) == (3, 5, False)
    assert merged.positive_counts == {3: 1, 4: 2}
    assert shards.ShardReport.from_json(merged.to_json()) == merged


def count_reads(row, seen):
    seen.append(row.id)
    return read(row)


def test_a_finished_shard_is_not_read_again(directory):
    seen = []
    source = make_source()._replace(read=functools.partial(count_reads, seen=seen))
    for _ in range(2):
        write_shard(directory, source, "1", "2")
    assert seen == ["id0", "id1"]


def test_a_shard_with_rejects_is_forgotten_by_the_next_run(directory):
    write_shard(directory, make_source(), "broken", "2")
    assert len(read_shard(directory)) == 1
    assert find_finished(directory) == set()
    write_shard(directory, make_source(), "1", "2")
    assert len(read_shard(directory)) == 2
    assert find_finished(directory) == {KEY.name}


def test_an_unknown_label_of_a_box_is_a_reject(directory):
    source = make_source(Contents(objects=True))._replace(taxonomy=make_taxonomy(["a"], []))
    write_shard(directory, source, "1")
    (reject,) = shards.read_report(directory, KEY).rejects
    assert reject.reason == "box: unknown label 'b'"


def test_no_unfinished_file_has_a_shard_s_name(directory, tmp_path):
    def stop(row):
        raise KeyboardInterrupt

    source = make_source()._replace(read=stop)
    with pytest.raises(KeyboardInterrupt):
        write_shard(directory, source, "1")
    assert [path.name for path in tmp_path.iterdir()] == [".build"]
    assert not shards.is_finished(directory, KEY)


def test_a_report_is_json(directory, tmp_path):
    write_shard(directory, make_source(), "1")
    report = json.loads((tmp_path / ".build" / f"{KEY.name}.json").read_text())
    assert report["num_examples"] == 1
