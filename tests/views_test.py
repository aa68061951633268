"""revisit.data.views and revisit.data.labels: what a run sees of a data set."""

import numpy as np
import pytest
import tensorflow as tf
from ml_collections import ConfigDict

from configs import default
from revisit.data import input as data_input
from revisit.data.input import Stream
from revisit.data.labels import longest_positives, make_label_view, unique
from revisit.data.records import Contents, Dataset, Shard, parse_record, read_dataset
from revisit.data.taxonomy import make_taxonomy
from revisit.data.views import choose_classes, keep_classes, view
from revisit.errors import UserError


def make_config(**fields) -> ConfigDict:
    config = default.get_config().data
    config.update(fields)
    return config


def random_taxonomy(seed, num_classes=40):
    generator = np.random.default_rng(seed)
    edges = [
        (str(child), str(parent))
        for child in range(1, num_classes)
        for parent in set(generator.integers(0, child, generator.integers(1, 3)).tolist())
    ]
    return make_taxonomy([str(each) for each in range(num_classes)], edges)


def ancestors(taxonomy):
    """[C, C]: whether the row is above the column or is it, by powers of the matrix of edges."""
    edges = np.eye(taxonomy.num_classes, dtype=bool)
    for child, parents in enumerate(taxonomy.parents):
        edges[list(parents), child] = True
    for _ in range(taxonomy.num_classes.bit_length()):
        edges = edges @ edges
    return edges


def pad(rows, dtype=np.int64, value=-1):
    table = np.full((len(rows), max(map(len, rows))), value, dtype)
    for row, values in zip(table, rows, strict=True):
        row[: len(values)] = values
    return tf.constant(table)


def make_records(taxonomy, seed, num_records=400):
    """Ids and labels as the record has them: closed, with confidences and negatives."""
    generator = np.random.default_rng(seed)
    above = ancestors(taxonomy)
    rows = {"leaf": [], "positive": [], "negative": [], "confidence": []}
    for _ in range(num_records):
        given = generator.choice(taxonomy.num_classes, generator.integers(1, 5), False)
        confidences = generator.choice([0.25, 0.5, 1.0], len(given))
        closed = (above[:, given] * confidences).max(axis=1)
        free = np.flatnonzero(closed == 0)
        rows["leaf"].append(given)
        rows["positive"].append(np.flatnonzero(closed))
        rows["confidence"].append(closed[closed > 0])
        rows["negative"].append(np.sort(generator.choice(free, min(3, len(free)), False)))
    labels = {name: pad(values) for name, values in rows.items() if name != "confidence"}
    labels["confidence"] = pad(rows["confidence"], np.float32, 0)
    return tf.constant([f"{seed}/{n}.jpg" for n in range(num_records)]), labels


def as_sets(ids):
    return [{int(each) for each in row if each >= 0} for row in ids.numpy()]


def make_dataset(taxonomy, **more):
    return Dataset("d", taxonomy, Contents(), {}, {"max_positives": 40, **more})


def test_without_choices_labels_are_left_as_they_are():
    taxonomy = random_taxonomy(0)
    ids, labels = make_records(taxonomy, 0)
    assert make_label_view(make_dataset(taxonomy), make_config(), 0)(ids, labels, True) is labels


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", ["sibling", "uniform"])
def test_noisy_labels_are_closed_again(kind, seed):
    taxonomy = random_taxonomy(seed)
    above = ancestors(taxonomy)
    config = make_config(noise_wrong=0.5, noise_missing=0.3, noise_kind=kind)
    dataset = make_dataset(taxonomy)
    ids, labels = make_records(taxonomy, seed)
    noisy = make_label_view(dataset, config, seed)(ids, labels, True)
    leaves, positives, negatives = (
        as_sets(noisy[name]) for name in ("leaf", "positive", "negative")
    )
    for leaf, positive, negative, given in zip(
        leaves, positives, negatives, as_sets(labels["negative"]), strict=True
    ):
        assert leaf
        assert positive == set(np.flatnonzero(above[:, sorted(leaf)].any(axis=1)))
        assert negative == given - positive
    assert max(map(len, positives)) <= longest_positives(dataset, config)
    assert noisy["confidence"].shape == noisy["positive"].shape
    assert np.array_equal(noisy["confidence"].numpy() > 0, noisy["positive"].numpy() >= 0)


def single_labels(taxonomy, num_records, classes):
    given = np.resize(classes, num_records)[:, None]
    labels = {"leaf": given, "positive": given, "negative": np.zeros((num_records, 0), np.int64)}
    labels = {name: tf.constant(ids, tf.int64) for name, ids in labels.items()}
    labels["confidence"] = tf.ones([num_records, 1])
    return tf.constant([f"{n}.jpg" for n in range(num_records)]), labels


def test_the_share_of_wrong_labels_is_as_asked_and_they_are_siblings():
    edges = [(leaf, leaf[0]) for leaf in ("a1", "a2", "a3", "b1", "b2", "b3", "b4")]
    taxonomy = make_taxonomy(["a", "b", *(leaf for leaf, _ in edges)], edges)
    ids, labels = single_labels(taxonomy, 20_000, range(2, 9))
    noisy = make_label_view(make_dataset(taxonomy), make_config(noise_wrong=0.2), 0)
    found = noisy(ids, labels, True)["leaf"].numpy()[:, 0]
    given = labels["leaf"].numpy()[:, 0]
    wrong = found != given
    assert abs(wrong.mean() - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 20_000)
    assert all(taxonomy.parents[one] == taxonomy.parents[other] for one, other in zip(found, given))
    of_a1 = found[wrong & (given == 2)]
    assert abs((of_a1 == 3).mean() - 0.5) < 4 * np.sqrt(0.25 / len(of_a1))


def test_a_uniform_wrong_label_is_any_other_leaf():
    taxonomy = make_taxonomy(["r", *"abcde"], [(leaf, "r") for leaf in "abcde"])
    ids, labels = single_labels(taxonomy, 20_000, [3])
    config = make_config(noise_wrong=1.0, noise_kind="uniform")
    found = make_label_view(make_dataset(taxonomy), config, 0)(ids, labels, True)["leaf"].numpy()
    counts = np.bincount(found[:, 0], minlength=6)
    assert (counts[0], counts[3]) == (0, 0)
    assert np.all(np.abs(counts[[1, 2, 4, 5]] - 5000) < 4 * np.sqrt(20_000 * 0.25 * 0.75))


def test_missing_labels_are_dropped_at_their_rate_but_never_the_last():
    taxonomy = make_taxonomy([str(n) for n in range(4)], [])
    given = np.tile(np.arange(4), (10_000, 1))
    labels = {name: tf.constant(given, tf.int64) for name in ("leaf", "positive")}
    labels["negative"] = tf.zeros([10_000, 0], tf.int64)
    labels["confidence"] = tf.ones([10_000, 4])
    ids = tf.constant([f"{n}.jpg" for n in range(10_000)])
    noisy = make_label_view(make_dataset(taxonomy), make_config(noise_missing=0.3), 0)
    counts = np.sum(noisy(ids, labels, True)["leaf"].numpy() >= 0, axis=1)
    expected = 4 * 0.7 + 0.3**4  # of images without any, the first stays
    assert abs(counts.mean() - expected) < 4 * np.sqrt(4 * 0.21 / 10_000)
    assert counts.min() == 1


def test_noise_is_fixed_by_seed_and_record_and_spares_evaluation():
    taxonomy = random_taxonomy(1)
    dataset, config = make_dataset(taxonomy), make_config(noise_wrong=0.5, noise_missing=0.2)
    ids, labels = make_records(taxonomy, 1)
    whole = as_sets(make_label_view(dataset, config, 7)(ids, labels, True)["positive"])
    part = {name: values[100:130] for name, values in labels.items()}
    again = make_label_view(dataset, config, 7)(ids[100:130], part, True)
    assert as_sets(again["positive"]) == whole[100:130]
    other = as_sets(make_label_view(dataset, config, 8)(ids, labels, True)["positive"])
    assert other != whole
    assert make_label_view(dataset, config, 7)(ids, labels, False) is labels


def test_unique_keeps_the_highest_confidence():
    ids, confidences = unique(
        tf.constant([[5, -1, 2, 5], [-1, -1, -1, 1]], tf.int64),
        tf.constant([[0.25, 0.0, 1.0, 0.5], [0.0, 0.0, 0.0, 0.75]]),
    )
    assert ids.numpy().tolist() == [[2, 5], [1, -1]]
    assert confidences.numpy().tolist() == [[1.0, 0.5], [0.75, 0.0]]


@pytest.mark.parametrize("seed", range(5))
def test_a_part_of_a_taxonomy_keeps_who_is_above_whom(seed):
    taxonomy = random_taxonomy(seed)
    kept = sorted(np.random.default_rng(seed).choice(40, 15, False).tolist())
    part = keep_classes(taxonomy, kept)
    assert part.names == tuple(taxonomy.names[id_] for id_ in kept)
    assert np.array_equal(ancestors(part), ancestors(taxonomy)[np.ix_(kept, kept)])
    for id_, parents in enumerate(part.parents):  # no parent is above another
        for parent in parents:
            assert not set(parents) & set(part.ancestors(parent)), id_


@pytest.mark.parametrize("seed", range(3))
def test_labels_of_some_classes_are_those_of_all_without_the_others(seed):
    taxonomy = random_taxonomy(seed)
    ids, labels = make_records(taxonomy, seed)
    kept = sorted(np.random.default_rng(seed).choice(40, 15, False).tolist())
    dataset = make_dataset(keep_classes(taxonomy, kept))
    dataset = dataset._replace(all_classes=taxonomy, kept_classes=tuple(kept))
    seen = make_label_view(dataset, make_config(), 0)(ids, labels, False)
    for name in ("positive", "negative"):
        expected = [{kept.index(i) for i in row if i in kept} for row in as_sets(labels[name])]
        assert as_sets(seen[name]) == expected
    closed = [dataset.taxonomy.close(leaf) for leaf in as_sets(seen["leaf"])]
    assert closed == [tuple(sorted(positive)) for positive in as_sets(seen["positive"])]


@pytest.fixture(scope="module")
def dataset(tiny_data):
    return read_dataset(tiny_data["multi"])


def read_ids(dataset, num_batches, split="train"):
    def prepare(serialized, training, seeds):
        ids = parse_record(serialized, Contents())["id"]
        return {"id": ids, "image": tf.zeros([tf.shape(ids)[0], 2, 2, 3], tf.uint8)}

    shards = data_input.train_shards(dataset, split, 1.0)
    batches = data_input.train_batches(shards, prepare, 4, Stream(seed=0)).take(num_batches)
    evaluated = data_input.eval_batches(dataset, split, prepare, 4)
    return (
        [id_ for batch in batches for id_ in batch["id"].numpy()],
        [i for b in evaluated for i, w in zip(b["id"].numpy(), b["weight"].numpy()) if w],
    )


def test_only_images_of_some_classes_are_read(dataset, tmp_path):
    (tmp_path / "names.txt").write_text("c3\nc5\n")
    seen = view(dataset, make_config(images_of=str(tmp_path / "names.txt")))
    records = tf.data.TFRecordDataset([shard.path for shard in dataset.shards["train"]])
    wanted = {dataset.taxonomy.ids[name] for name in ("c3", "c5")}
    expected = []
    for record in records:
        parsed = parse_record(record, Contents())
        if wanted & set(parsed["labels"]["positive"].numpy().tolist()):
            expected.append(parsed["id"].numpy())
    assert seen.num_examples("train") == len(expected) < 96
    steps = len(expected) // 4
    trained, evaluated = read_ids(seen, steps)
    assert evaluated == expected
    assert len(set(trained)) == 4 * steps
    assert set(trained) <= set(expected)
    half = data_input.train_shards(seen, "train", 0.5)
    assert sum(shard.num_examples for shard in half) == round(len(expected) / 2)
    assert seen.taxonomy == dataset.taxonomy


def test_dropped_records_are_skipped_and_a_part_ends_before_the_rest(dataset):
    shards = dataset.shards["train"]
    _, everything = read_ids(dataset, 1)
    first, *others = shards
    part = first._replace(num_examples=5, dropped=(0, 3, first.num_examples - 1))
    cut = dataset._replace(shards={"train": (part, *others)})
    _, evaluated = read_ids(cut, 1)
    assert evaluated[:5] == [everything[place] for place in (1, 2, 4, 5, 6)]
    assert evaluated[5:] == everything[first.num_examples :]


def test_the_most_frequent_classes_are_chosen_by_number(dataset):
    seen = view(dataset, make_config(classes="3"))
    counts = np.array(dataset.metadata["positive_counts"]["train"])
    assert sorted(seen.metadata["positive_counts"]["train"]) == sorted(counts)[-3:]
    assert seen.taxonomy.num_classes == 3
    assert {"group0", "group1"} < set(seen.taxonomy.names)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"classes": "0"}, r"config.data.classes=0 is not in 1..10"),
        ({"images_of": "11"}, r"config.data.images_of=11 is not in 1..10"),
        ({"classes": "/nowhere"}, "config.data.classes='/nowhere' can't be read: No such file"),
        ({"drop_duplicates": "some"}, "config.data.drop_duplicates='some' is none of"),
    ],
)
def test_a_choice_that_there_is_not_is_named(fields, words, dataset):
    with pytest.raises(UserError, match=words):
        view(dataset, make_config(**fields))


def test_a_name_that_is_no_class_is_named(dataset, tmp_path):
    (tmp_path / "names.txt").write_text("c3\nunicorn\n")
    with pytest.raises(UserError, match="'unicorn' is no class of"):
        choose_classes(dataset, str(tmp_path / "names.txt"), "config.data.classes")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"noise_wrong": 1.5}, r"config.data.noise_wrong=1.5 is not in \[0, 1\]"),
        ({"noise_kind": "x"}, "config.data.noise_kind='x' is none of 'sibling', 'uniform'"),
    ],
)
def test_a_noise_that_there_is_not_is_named(fields, words, dataset):
    with pytest.raises(UserError, match=words):
        make_label_view(dataset, make_config(**fields), 0)


def test_a_shard_is_whole_unless_said_otherwise():
    assert Shard("a", 3).dropped == ()
