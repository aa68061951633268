"""The microworld's classes: a deep taxonomy, a long tail, classes that pretraining never shows."""

import collections

import pytest

from data_prep.microworld import scenes, taxonomy
from data_prep.microworld.leaves import LEAVES
from data_prep.microworld.recipes import MASK_CLASSES, RECIPES
from revisit.data.taxonomy import Taxonomy, make_taxonomy


@pytest.fixture(scope="module")
def pretrain() -> Taxonomy:
    return make_taxonomy(*taxonomy.world_classes("pretrain"))  # refuses cycles and unknown names


def test_it_has_at_least_200_leaves_on_at_least_4_levels(pretrain):
    leaves = {pretrain.names[id_] for id_ in pretrain.leaves()}
    assert leaves == {leaf.name for leaf in LEAVES if not leaf.held_out}
    assert len(leaves) >= 200
    assert pretrain.depth() >= 5


def test_some_classes_have_several_parents(pretrain):
    assert sum(len(parents) > 1 for parents in pretrain.parents) >= 40
    penguin = pretrain.ids["penguin"]
    assert {pretrain.names[id_] for id_ in pretrain.ancestors(penguin)} == {
        "flightless bird", "waterfowl", "bird", "creature", "living thing"
    }  # fmt: skip


def test_transfer_classes_never_occur_in_pretrain_though_their_parents_do(pretrain):
    held_out = [leaf for leaf in LEAVES if leaf.held_out]
    assert 40 <= len(held_out) <= 60
    assert not {leaf.name for leaf in held_out} & set(pretrain.names)
    for leaf in held_out:
        assert any(parent.strip() in pretrain.ids for parent in leaf.parents.split(","))
    names, edges = taxonomy.world_classes("transfer")
    assert set(names) == {leaf.name for leaf in held_out}
    assert edges == ()


def test_every_leaf_has_siblings_or_cousins_to_be_confused_with():
    for leaf in taxonomy.world_leaves("pretrain"):
        siblings, cousins = taxonomy.relatives(leaf.name)
        assert siblings or cousins, leaf.name
        assert leaf.name not in siblings + cousins


def test_mask_classes_fit_a_byte_and_start_with_the_background():
    assert MASK_CLASSES[0] == "background"
    assert len(MASK_CLASSES) <= 255
    assert {recipe.group for recipe in RECIPES.values()} == set(MASK_CLASSES[1:])


def test_the_head_has_a_thousand_times_the_images_of_the_tail_at_100k_scenes():
    counts = collections.Counter(leaf.name for leaf in taxonomy.world_leaves("pretrain"))
    counts.subtract(counts.keys())
    for index in range(100_000):
        counts.update({leaf.name for leaf in scenes.draw_leaves("pretrain", 0, index)})
    (head, most), *_, (_, least) = counts.most_common()
    assert head == "walker"
    assert most >= 1000 * max(1, least)
    assert least >= 1  # every class occurs
