import random

import pytest

from data_prep import sorting


def write_runs(rows, directory):
    writer = sorting.RunWriter(str(directory))
    runs = [run for place, item in rows for run in writer.add(place, item)]
    return runs + list(writer.flush())


def test_ranges_cover_every_place_once():
    places = [0, 1, 2**63 - 1, 2**63, 2**64 - 1]
    assert [sorting.range_of(place) for place in places] == [0, 0, 127, 128, 255]
    for num_parts in (1, 3, 256, 1000):
        for place in [*places, *(random.Random(0).getrandbits(64) for _ in range(100))]:
            part = place * num_parts >> 64
            assert sorting.range_of(place) in sorting.ranges_of(part, num_parts)


@pytest.mark.parametrize("max_open", [2, 3, 1000])
def test_many_runs_merge_into_one_order(max_open, tmp_path, monkeypatch):
    monkeypatch.setattr(sorting, "RUN_BYTES", 2000)
    monkeypatch.setattr(sorting, "MAX_OPEN", max_open)
    generator = random.Random(0)
    rows = [((generator.getrandbits(64), f"id{n % 300}"), n) for n in range(900)]
    rows += [(place, -item) for place, item in rows[:50]]  # two items at one place
    runs = write_runs(rows, tmp_path)
    assert len(runs) == len(set(runs)) > 900 / sorting.NUM_RANGES
    merged = []
    for range_ in range(sorting.NUM_RANGES):
        merged += sorting.merge_runs(path for each, path in runs if each == range_)
    assert [place for place, _ in merged] == sorted({place for place, _ in rows})
    assert sorted(item for _, items in merged for item in items) == sorted(i for _, i in rows)
    assert sum(len(items) == 2 for _, items in merged) == 50


def test_what_waits_in_memory_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(sorting, "RUN_BYTES", 10_000)
    writer = sorting.RunWriter(str(tmp_path))
    written = sum(len(list(writer.add((n << 40, "id"), "x" * 500))) for n in range(100))
    assert written > 0
    assert len(list(tmp_path.iterdir())) == written
