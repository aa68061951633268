"""A scene is a function of (world, seed, index) alone."""

import concurrent.futures
import hashlib
import multiprocessing

import numpy as np
import pytest

from data_prep.microworld import scenes, taxonomy
from data_prep.microworld.recipes import RECIPES


def _structure(world: str, seed: int, index: int) -> str:
    """What a scene shows, where, in which pose; rounded, as last digits may differ."""
    scene = scenes.make_scene(world, seed, index)
    things = [
        (t.leaf.name, np.round([*t.center, t.size, t.turn, t.flip, *t.moves], 6).tolist())
        for t in scene.things
    ]
    light = np.round([scene.light.angle, scene.light.exposure, scene.ground.horizon], 6).tolist()
    return hashlib.sha256(repr((things, light, len(scene.clutter))).encode()).hexdigest()[:16]


def test_scenes_are_the_same_in_any_order_and_process():
    keys = [("pretrain", 3, index) for index in range(6)] + [("transfer", 3, 5)]
    here = [_structure(*key) for key in reversed(keys)][::-1]
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) as pool:
        assert list(pool.map(_structure, *zip(*keys))) == here


def test_a_known_scene_keeps_its_checksum():
    assert _structure("pretrain", 0, 7) == "af44cbac098f1c4f"
    assert _structure("transfer", 0, 7) == "7ffe08dda27a6780"


def test_seeds_indices_and_worlds_give_different_scenes():
    keys = [("pretrain", 0, 0), ("pretrain", 0, 1), ("pretrain", 1, 0), ("transfer", 0, 0)]
    assert len({_structure(*key) for key in keys}) == len(keys)


def test_scenes_hold_one_to_five_objects_in_the_stated_shares():
    n = 5000
    counts = np.bincount([len(scenes.draw_leaves("pretrain", 1, i)) for i in range(n)], minlength=6)
    assert counts[0] == 0
    assert len(counts) == 6
    for count, share in zip(counts[1:], scenes.NUM_OBJECTS_SHARES):
        assert abs(count - n * share) < 5 * np.sqrt(n * share * (1 - share))


def test_transfer_scenes_hold_one_object_and_are_balanced():
    num_classes = len(taxonomy.world_leaves("transfer"))
    drawn = [scenes.draw_leaves("transfer", 0, index) for index in range(3 * num_classes)]
    names = [leaf.name for (leaf,) in drawn]
    assert sorted(names) == sorted(3 * [leaf.name for leaf in taxonomy.world_leaves("transfer")])


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_is_used(recipe):
    leaves = taxonomy.world_leaves("pretrain") + taxonomy.world_leaves("transfer")
    assert any(leaf.recipe == recipe for leaf in leaves)
