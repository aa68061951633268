import collections

import apache_beam as beam
from apache_beam.testing.test_pipeline import TestPipeline as BeamPipeline
from apache_beam.testing.util import assert_that

from data_prep import sorting
from data_prep.grouping import GroupInFiles


def test_groups_are_whole_whatever_their_keys(tmp_path, monkeypatch):
    monkeypatch.setattr(sorting, "RUN_BYTES", 500)
    keys = [0, 1, (0, 1), (10, 0), "0", "a key"]
    items = [(keys[number % len(keys)], number) for number in range(200)]
    expected = collections.defaultdict(list)
    for key, number in items:
        expected[key].append(number)

    def check(found):
        assert {key: sorted(numbers) for key, numbers in found} == expected
        assert len(found) == len(expected)

    with BeamPipeline() as pipeline:
        created = pipeline | beam.Create(items, reshuffle=False)
        assert_that(created | GroupInFiles(str(tmp_path)), check)
    assert len(list(tmp_path.glob("run-*"))) > len(keys)
