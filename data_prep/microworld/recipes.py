"""The table of recipes: what draws an object, its group in masks, its colours, how it lies."""

from collections.abc import Callable
from typing import Any, NamedTuple

from data_prep.microworld import artifacts, creatures, figures, plants, structures, vehicles


class Recipe(NamedTuple):
    """A way to draw one kind of thing.

    Attributes:
      draw: fills a sketch: (sketch, twelve moves in [-1, 1], **numbers of the class).
      group: name of the pixels' class in semantic masks.
      palette: name of a row of `palettes.PALETTES`.
      tilt: the instance is turned by a normal number of degrees with this deviation.
      pattern_scale: repeats of a pattern's tile over the object's longest side.
    """

    draw: Callable[..., None]
    group: str
    palette: str
    tilt: float = 6.0
    pattern_scale: float = 2.0


RECIPES: dict[str, Recipe] = {
    "figure": Recipe(figures.figure, "person", "cloth", 5.0, 5.0),
    "quadruped": Recipe(creatures.quadruped, "beast", "coat", 5.0, 2.6),
    "bird": Recipe(creatures.bird, "bird", "feather", 7.0, 3.0),
    "fish": Recipe(creatures.fish, "swimmer", "feather", 14.0, 2.2),
    "mollusc": Recipe(creatures.mollusc, "swimmer", "feather", 14.0, 2.5),
    "snail": Recipe(creatures.snail, "swimmer", "coat", 8.0, 2.5),
    "starfish": Recipe(creatures.starfish, "swimmer", "feather", 60.0, 3.0),
    "serpent": Recipe(creatures.serpent, "crawler", "feather", 40.0, 3.0),
    "arthropod": Recipe(creatures.arthropod, "crawler", "feather", 45.0, 3.0),
    "wheeled": Recipe(vehicles.wheeled, "land vehicle", "paint", 4.0, 2.5),
    "cycle": Recipe(vehicles.cycle, "land vehicle", "paint", 4.0),
    "ship": Recipe(vehicles.ship, "watercraft", "paint", 5.0, 2.5),
    "aircraft": Recipe(vehicles.aircraft, "aircraft", "paint", 18.0, 2.5),
    "lifter": Recipe(vehicles.lifter, "aircraft", "paint", 5.0, 2.0),
    "rocket": Recipe(vehicles.rocket, "aircraft", "paint", 28.0, 2.0),
    "tree": Recipe(plants.tree, "tree", "leaf", 3.0, 2.5),
    "flower": Recipe(plants.flower, "flower", "bloom", 7.0, 4.0),
    "succulent": Recipe(plants.succulent, "herb", "leaf", 4.0, 3.0),
    "frond": Recipe(plants.frond, "herb", "leaf", 8.0, 3.0),
    "fruit": Recipe(plants.fruit, "food", "bloom", 25.0, 2.0),
    "fungus": Recipe(plants.fungus, "food", "coat", 6.0, 2.5),
    "building": Recipe(structures.building, "building", "stone", 2.0, 3.0),
    "bridge": Recipe(structures.bridge, "building", "stone", 2.0, 3.0),
    "tent": Recipe(structures.tent, "building", "cloth", 2.0, 2.5),
    "furniture": Recipe(structures.furniture, "furniture", "wood", 3.0, 2.5),
    "lamp": Recipe(structures.lamp, "furniture", "cloth", 3.0, 2.5),
    "vessel": Recipe(artifacts.vessel, "container", "glaze", 7.0, 2.2),
    "basket": Recipe(artifacts.basket, "container", "wood", 5.0, 2.5),
    "tool": Recipe(artifacts.tool, "implement", "wood", 50.0, 3.0),
    "scissors": Recipe(artifacts.scissors, "implement", "paint", 60.0),
    "umbrella": Recipe(artifacts.umbrella, "implement", "cloth", 15.0),
    "stringed": Recipe(artifacts.stringed, "instrument", "wood", 35.0),
    "horn": Recipe(artifacts.horn, "instrument", "metal", 25.0),
    "drum": Recipe(artifacts.drum, "instrument", "paint", 6.0),
    "disc": Recipe(artifacts.disc, "round thing", "glaze", 20.0, 1.6),
    "snowman": Recipe(artifacts.snowman, "round thing", "glaze", 4.0),
    "robot": Recipe(artifacts.robot, "round thing", "metal", 4.0),
    "emblem": Recipe(artifacts.emblem, "sign", "paint", 9.0, 1.8),
    "coil": Recipe(artifacts.coil, "sign", "paint", 60.0),
    "anchor": Recipe(artifacts.anchor, "sign", "metal", 20.0),
}

MASK_CLASSES: tuple[str, ...] = ("background", *dict.fromkeys(r.group for r in RECIPES.values()))


def jittered(numbers: dict[str, Any], factors: list[float]) -> dict[str, Any]:
    """The numbers of a class with its real-valued proportions times factors near 1: an instance."""
    varied = dict(numbers)
    for k, (name, value) in enumerate(numbers.items()):
        if isinstance(value, float):
            varied[name] = value * factors[k % len(factors)]
    return varied
