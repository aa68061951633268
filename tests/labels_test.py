import numpy as np
import pytest

from data_prep.labels import LabelError, close_labels, join_rows
from data_prep.sources.source import Annotations, Object, Reject, Row
from revisit.data.taxonomy import make_taxonomy

# ids:   0         1      2      3        4        5
NAMES = "animal", "cat", "dog", "siamese", "stone", "pet"
EDGES = (("cat", "animal"), ("dog", "animal"), ("siamese", "cat"), ("siamese", "pet"))


@pytest.fixture
def taxonomy():
    return make_taxonomy(NAMES, EDGES)


def make_row(*positives, negatives=(), **fields):
    return Row("1.jpg", "1.jpg", positives, negatives, origin="labels.csv:2", **fields)


def test_positives_go_up_to_every_ancestor(taxonomy):
    labels = close_labels(make_row(("siamese", 1.0)), taxonomy)
    assert labels.leaf == (3,)
    assert labels.positive == (0, 1, 3, 5)
    assert labels.confidence == (1.0, 1.0, 1.0, 1.0)


def test_an_ancestor_is_as_sure_as_the_surest_below_it(taxonomy):
    row = make_row(("siamese", 0.25), ("dog", 0.75), ("cat", 0.5))
    labels = close_labels(row, taxonomy)
    closed = dict(zip(labels.positive, labels.confidence))
    assert closed == {0: 0.75, 1: 0.5, 2: 0.75, 3: 0.25, 5: 0.25}


def test_an_ancestor_given_with_less_confidence_is_raised(taxonomy):
    labels = close_labels(make_row(("dog", 0.75), ("animal", 0.5)), taxonomy)
    assert labels.confidence == (0.75, 0.75)


def test_verified_negatives_go_down_to_every_descendant(taxonomy):
    labels = close_labels(make_row(("stone", 1.0), negatives=("cat",)), taxonomy)
    assert labels.negative == (1, 3)
    assert labels.positive == (4,)


def test_a_label_given_twice_counts_once_with_the_higher_confidence(taxonomy):
    labels = close_labels(make_row(("stone", 0.5), ("stone", 0.75)), taxonomy)
    assert (labels.leaf, labels.confidence) == ((4,), (0.75,))


def test_a_verified_negative_beats_an_unsure_positive_below_it(taxonomy):
    row = make_row(("siamese", 0.7), ("stone", 1.0), negatives=("animal",))
    labels = close_labels(row, taxonomy)
    assert labels.leaf == (4,)
    assert labels.positive == (4,)
    assert labels.negative == (0, 1, 2, 3)
    assert labels.num_conflicts == 1


def test_a_sure_positive_beats_a_verified_negative_above_it(taxonomy):
    labels = close_labels(make_row(("siamese", 1.0), negatives=("animal", "dog")), taxonomy)
    assert labels.positive == (0, 1, 3, 5)
    assert labels.negative == (2,)
    assert labels.num_conflicts == 1


def test_no_label_is_ever_both(taxonomy):
    row = make_row(("cat", 0.5), ("siamese", 1.0), negatives=NAMES)
    labels = close_labels(row, taxonomy)
    assert not set(labels.positive) & set(labels.negative)


def test_truth_is_closed_and_apart(taxonomy):
    labels = close_labels(make_row(("dog", 1.0), truth=("siamese",)), taxonomy)
    assert labels.truth == (0, 1, 3, 5)
    assert labels.positive == (0, 2)
    assert close_labels(make_row(("dog", 1.0)), taxonomy).truth is None


def test_negatives_alone_are_labels(taxonomy):
    assert close_labels(make_row(negatives=("dog",)), taxonomy).negative == (2,)


@pytest.mark.parametrize("confidence", [0.0, -0.5, 1.5, float("nan"), float("inf")])
def test_a_confidence_out_of_range_is_named(confidence, taxonomy):
    with pytest.raises(LabelError, match=f"confidence {confidence} of label 'cat' is not in"):
        close_labels(make_row(("cat", confidence)), taxonomy)


def test_an_unknown_label_is_named(taxonomy):
    for row in (
        make_row(("unicorn", 1.0)),
        make_row(("cat", 1.0), negatives=("unicorn",)),
        make_row(("cat", 1.0), truth=("unicorn",)),
    ):
        with pytest.raises(LabelError, match="unknown label 'unicorn'"):
            close_labels(row, taxonomy)


def test_no_labels_is_an_error(taxonomy):
    with pytest.raises(LabelError, match="no labels"):
        close_labels(make_row(), taxonomy)


def test_an_annotated_image_may_show_no_class(taxonomy):
    assert close_labels(make_row()._replace(annotations=Annotations()), taxonomy).positive == ()


def test_annotations_of_several_rows_are_joined():
    one, two = Object((0, 0, 1, 1), "dog"), Object((0, 0, 1, 0.5), "cat")
    rows = [
        Row(
            "a", "a.jpg", (("dog", 1.0),), annotations=Annotations((one,), size=(5, 6)), origin="1"
        ),
        Row("a", "a.jpg", (), origin="2"),
        Row("a", "a.jpg", (("cat", 1.0),), annotations=Annotations((two,)), origin="3"),
    ]
    joined, _ = join_rows(rows)
    assert joined.annotations == Annotations((one, two), size=(5, 6))


def test_rows_of_one_image_are_joined_in_the_order_of_the_file():
    rows = [
        Row("a", "a.jpg", (("dog", 1.0),), ("cat",), origin="f:10"),
        Row("a", "a.jpg", (("cat", 0.5),), truth=("pet",), origin="f:9"),
    ]
    joined, rejects = join_rows(rows)
    assert joined.positives == (("cat", 0.5), ("dog", 1.0))
    assert joined.negatives == ("cat",)
    assert joined.truth == ("pet",)
    assert joined.origin == "f:9"
    assert rejects == []


def test_another_image_with_the_same_id_is_rejected_whatever_the_order():
    rows = [Row("a", f"{n}.jpg", (("dog", 1.0),), origin=f"f:{n}") for n in (2, 10)]
    for given in (rows, rows[::-1]):
        joined, rejects = join_rows(given)
        assert joined.reference == "2.jpg"
        reason = "duplicate id: f:2 has it with another image or split"
        assert rejects == [Reject("f:10", "a", reason)]


def random_case(seed):
    """A DAG of 30 classes, and an image with up to 6 positives and 3 verified negatives."""
    generator = np.random.default_rng(seed)
    names = [str(each) for each in generator.permutation(30)]
    edges = [
        (names[child], names[parent])
        for child in range(1, 30)
        for parent in generator.integers(0, child, generator.integers(0, 4))
    ]
    positives = [
        (str(name), float(generator.choice([0.25, 0.5, 1.0])))
        for name in generator.choice(names, generator.integers(1, 7))
    ]
    negatives = tuple(map(str, generator.choice(names, generator.integers(0, 4))))
    return make_taxonomy(sorted(names), edges), make_row(*positives, negatives=negatives)


def close_slowly(row, taxonomy):
    """The rules, read off a matrix of who is at or above whom: [above, below]."""
    number = taxonomy.num_classes
    above = np.eye(number, dtype=bool)
    for child, parents in enumerate(taxonomy.parents):
        above[list(parents), child] = True
    for _ in range(number):
        above = above @ above
    given = np.zeros(number)
    for name, confidence in row.positives:
        given[taxonomy.names.index(name)] = max(given[taxonomy.names.index(name)], confidence)
    denied = np.array([name in row.negatives for name in taxonomy.names])
    refuted = (given > 0) & (given < 1) & above[denied].any(axis=0)
    kept = np.where(refuted, 0, given)
    closed = (above * kept).max(axis=1)
    absent = denied & (closed == 0)
    negative = above[absent].any(axis=0)
    conflicts = refuted.sum() + (denied & ~absent).sum()
    return closed, negative, conflicts


@pytest.mark.parametrize("seed", range(200))
def test_random_graphs_are_closed_as_a_slow_reading_of_the_rules_says(seed):
    taxonomy, row = random_case(seed)
    closed, negative, conflicts = close_slowly(row, taxonomy)
    labels = close_labels(row, taxonomy)
    assert labels.positive == tuple(np.flatnonzero(closed))
    assert labels.confidence == tuple(closed[closed > 0])
    assert labels.negative == tuple(np.flatnonzero(negative))
    assert labels.num_conflicts == conflicts
    assert not set(labels.positive) & set(labels.negative)
