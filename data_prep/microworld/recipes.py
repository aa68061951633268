"""The table of recipes: what draws an object, its group in masks, its colours, how it lies."""

from collections.abc import Callable
from typing import Any, NamedTuple

from data_prep.microworld import artifacts, creatures, figures, plants, structures, vehicles
from data_prep.microworld.sketch import Sketch


class Recipe(NamedTuple):
    """A way to draw one kind of thing.

    Attributes:
      draw: fills a sketch: (sketch, twelve moves in [-1, 1], traits).
      traits: makes what a class chooses of `draw`, a NamedTuple with defaults, of its numbers.
      group: name of the pixels' class in semantic masks.
      palette: name of a row of `palettes.PALETTES`.
      tilt: the instance is turned by a normal number of degrees with this deviation.
      pattern_scale: repeats of a pattern's tile over the object's longest side.
    """

    draw: Callable[[Sketch, list[float], Any], None]
    traits: Callable[..., Any]
    group: str
    palette: str
    tilt: float = 6.0
    pattern_scale: float = 2.0


RECIPES: dict[str, Recipe] = {
    "figure": Recipe(figures.figure, figures.Figure, "person", "cloth", 5.0, 5.0),
    "quadruped": Recipe(creatures.quadruped, creatures.Quadruped, "beast", "coat", 5.0, 2.6),
    "bird": Recipe(creatures.bird, creatures.Bird, "bird", "feather", 7.0, 3.0),
    "fish": Recipe(creatures.fish, creatures.Fish, "swimmer", "feather", 14.0, 2.2),
    "mollusc": Recipe(creatures.mollusc, creatures.Mollusc, "swimmer", "feather", 14.0, 2.5),
    "snail": Recipe(creatures.snail, creatures.Snail, "swimmer", "coat", 8.0, 2.5),
    "starfish": Recipe(creatures.starfish, creatures.Starfish, "swimmer", "feather", 60.0, 3.0),
    "serpent": Recipe(creatures.serpent, creatures.Serpent, "crawler", "feather", 40.0, 3.0),
    "arthropod": Recipe(creatures.arthropod, creatures.Arthropod, "crawler", "feather", 45.0, 3.0),
    "wheeled": Recipe(vehicles.wheeled, vehicles.Wheeled, "land vehicle", "paint", 4.0, 2.5),
    "cycle": Recipe(vehicles.cycle, vehicles.Cycle, "land vehicle", "paint", 4.0),
    "ship": Recipe(vehicles.ship, vehicles.Ship, "watercraft", "paint", 5.0, 2.5),
    "aircraft": Recipe(vehicles.aircraft, vehicles.Aircraft, "aircraft", "paint", 18.0, 2.5),
    "lifter": Recipe(vehicles.lifter, vehicles.Lifter, "aircraft", "paint", 5.0, 2.0),
    "rocket": Recipe(vehicles.rocket, vehicles.Rocket, "aircraft", "paint", 28.0, 2.0),
    "tree": Recipe(plants.tree, plants.Tree, "tree", "leaf", 3.0, 2.5),
    "flower": Recipe(plants.flower, plants.Flower, "flower", "bloom", 7.0, 4.0),
    "succulent": Recipe(plants.succulent, plants.Succulent, "herb", "leaf", 4.0, 3.0),
    "frond": Recipe(plants.frond, plants.Frond, "herb", "leaf", 8.0, 3.0),
    "fruit": Recipe(plants.fruit, plants.Fruit, "food", "bloom", 25.0, 2.0),
    "fungus": Recipe(plants.fungus, plants.Fungus, "food", "coat", 6.0, 2.5),
    "building": Recipe(structures.building, structures.Building, "building", "stone", 2.0, 3.0),
    "bridge": Recipe(structures.bridge, structures.Bridge, "building", "stone", 2.0, 3.0),
    "tent": Recipe(structures.tent, structures.Tent, "building", "cloth", 2.0, 2.5),
    "furniture": Recipe(structures.furniture, structures.Furniture, "furniture", "wood", 3.0, 2.5),
    "lamp": Recipe(structures.lamp, structures.Lamp, "furniture", "cloth", 3.0, 2.5),
    "vessel": Recipe(artifacts.vessel, artifacts.Vessel, "container", "glaze", 7.0, 2.2),
    "basket": Recipe(artifacts.basket, artifacts.Basket, "container", "wood", 5.0, 2.5),
    "tool": Recipe(artifacts.tool, artifacts.Tool, "implement", "wood", 50.0, 3.0),
    "scissors": Recipe(artifacts.scissors, artifacts.Scissors, "implement", "paint", 60.0),
    "umbrella": Recipe(artifacts.umbrella, artifacts.Umbrella, "implement", "cloth", 15.0),
    "stringed": Recipe(artifacts.stringed, artifacts.Stringed, "instrument", "wood", 35.0),
    "horn": Recipe(artifacts.horn, artifacts.Horn, "instrument", "metal", 25.0),
    "drum": Recipe(artifacts.drum, artifacts.Drum, "instrument", "paint", 6.0),
    "disc": Recipe(artifacts.disc, artifacts.Disc, "round thing", "glaze", 20.0, 1.6),
    "snowman": Recipe(artifacts.snowman, artifacts.Snowman, "round thing", "glaze", 4.0),
    "robot": Recipe(artifacts.robot, artifacts.Robot, "round thing", "metal", 4.0),
    "emblem": Recipe(artifacts.emblem, artifacts.Emblem, "sign", "paint", 9.0, 1.8),
    "coil": Recipe(artifacts.coil, artifacts.Coil, "sign", "paint", 60.0),
    "anchor": Recipe(artifacts.anchor, artifacts.Anchor, "sign", "metal", 20.0),
}

MASK_CLASSES: tuple[str, ...] = ("background", *dict.fromkeys(r.group for r in RECIPES.values()))


def jittered(numbers: dict[str, Any], factors: list[float]) -> dict[str, Any]:
    """The numbers of a class with its real-valued proportions times factors near 1: an instance."""
    varied = dict(numbers)
    for k, (name, value) in enumerate(numbers.items()):
        if isinstance(value, float):
            varied[name] = value * factors[k % len(factors)]
    return varied
