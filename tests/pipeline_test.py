import apache_beam as beam
import pytest
from apache_beam.testing.test_pipeline import TestPipeline as BeamPipeline
from apache_beam.testing.util import assert_that, equal_to

from data_prep.pipeline import PlanOptions, PlanShards
from data_prep.shards import read_shard
from data_prep.sources.source import Reject, Row
from revisit.data.taxonomy import make_taxonomy

TAXONOMY = make_taxonomy(["animal", "dog", "cat"], [("dog", "animal"), ("cat", "animal")])


def make_row(id_, name="dog", **fields):
    return Row(id_, f"{id_}.jpg", ((name, 1.0),), origin=f"f:{id_}", **fields)


@pytest.fixture
def plan(tmp_path):
    def plan(rows, check, **options):
        with BeamPipeline() as pipeline:
            created = pipeline | beam.Create(rows, reshuffle=False)
            check(created | PlanShards(TAXONOMY, PlanOptions(**options), str(tmp_path)))

    return plan


def check_ids(expected):
    def check(found):
        ids = {(key.split, row.row.id) for key, paths in found for row in read_shard(key, paths)}
        assert ids == expected, ids

    return check


def test_rows_become_ordered_shards_of_closed_labels(plan):
    rows = [make_row(str(n), "cat" if n % 2 else "dog", split="train") for n in range(40)]

    def check_shards(found):
        shards = {key: list(read_shard(key, paths)) for key, paths in found}
        assert {tuple(key) for key in shards} == {("train", place, 4) for place in range(4)}
        ordered = [example for key in sorted(shards) for example in shards[key]]
        orders = [example.order for example in ordered]
        assert orders == sorted(orders)
        assert sorted(int(example.row.id) for example in ordered) == list(range(40))
        for example in ordered:
            leaf = 2 if int(example.row.id) % 2 else 1
            assert example.labels.positive == (0, leaf)

    def check(planned):
        assert_that(planned["shards"], check_shards)
        assert_that(planned["counts"], equal_to([{"train": 40}]), label="counts")
        assert_that(planned["rejects"], equal_to([]), label="rejects")

    plan(rows, check, examples_per_shard=10)


def test_what_is_bad_is_rejected_with_its_origin_and_reason(plan):
    rows = [
        make_row("good"),
        make_row("unknown", "unicorn"),
        make_row("nowhere", split="dev"),
        make_row("twice"),
        make_row("twice")._replace(reference="other.jpg", origin="f:twice2"),
        Reject("f:7", "", "not JSON"),
    ]
    expected = [
        Reject("f:unknown", "unknown", "unknown label 'unicorn'"),
        Reject("f:nowhere", "nowhere", "split 'dev' is none of train, validation, test"),
        Reject("f:twice2", "twice", "duplicate id: f:twice has it with another image or split"),
        Reject("f:7", "", "not JSON"),
    ]

    def check(planned):
        ids = {("train", "good"), ("train", "twice")}
        assert_that(planned["shards"], check_ids(ids))
        assert_that(planned["rejects"], equal_to(expected), label="rejects")

    plan(rows, check, validation_fraction=0.0)


def test_a_split_that_is_not_given_comes_from_the_id_s_hash(plan):
    rows = [make_row(str(n)) for n in range(1000)]

    def check_counts(found):
        (counts,) = found
        assert 160 < counts["validation"] < 240
        assert counts["train"] + counts["validation"] == 1000

    plan(
        rows, lambda planned: assert_that(planned["counts"], check_counts), validation_fraction=0.2
    )


def test_rows_of_a_pair_each_are_one_image(plan):
    rows = [make_row("1", "dog"), make_row("1", "cat")]

    def check_labels(found):
        (example,) = (example for key, paths in found for example in read_shard(key, paths))
        assert example.labels.positive == (0, 1, 2)

    plan(rows, lambda planned: assert_that(planned["shards"], check_labels))


def read_planned(key, paths):
    return key.name, list(read_shard(key, paths))


def test_the_same_rows_in_any_order_make_the_same_plan(tmp_path):
    rows = [make_row(str(n % 50), "cat" if n % 3 else "dog") for n in range(100)]
    options = PlanOptions(examples_per_shard=9)

    def check_same(found):
        assert len(found) > 4
        for _, (forward, backward) in found:
            assert list(forward) == list(backward)

    with BeamPipeline() as pipeline:
        plans = [
            pipeline
            | f"Create{place}" >> beam.Create(given, reshuffle=False)
            | f"Plan{place}" >> PlanShards(TAXONOMY, options, str(tmp_path))
            for place, given in enumerate((rows, rows[::-1]))
        ]
        shards = [
            made["shards"] | f"Read{place}" >> beam.MapTuple(read_planned)
            for place, made in enumerate(plans)
        ]
        assert_that(tuple(shards) | beam.CoGroupByKey(), check_same)
