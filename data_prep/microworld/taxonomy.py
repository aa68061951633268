"""Names and is-a edges of the microworld: plain tables, so that nothing here needs TensorFlow."""

import functools
import hashlib

from data_prep.microworld.leaves import LEAVES, Leaf

# Inner classes: name, parents (separated by commas).
INNER = (
    ("living thing", ""),
    ("creature", "living thing"),
    ("person", "creature"),
    ("traveller", "person"),
    ("athlete", "person"),
    ("racer", "athlete"),
    ("fighter", "athlete"),
    ("ball player", "athlete"),
    ("acrobat", "athlete, performer"),
    ("performer", "person"),
    ("dancer", "performer"),
    ("worker", "person"),
    ("hunter", "worker"),
    ("sitter", "person"),
    ("legendary figure", "person, legendary creature"),
    ("legendary creature", "creature"),
    ("extinct animal", "creature"),
    ("farm animal", "creature"),
    ("flying animal", "creature"),
    ("sea creature", "creature"),
    ("mammal", "creature"),
    ("hoofed mammal", "mammal"),
    ("equine", "hoofed mammal"),
    ("ruminant", "hoofed mammal"),
    ("bovine", "ruminant"),
    ("deer", "ruminant"),
    ("swine", "hoofed mammal"),
    ("pachyderm", "mammal"),
    ("carnivore", "mammal"),
    ("canine", "carnivore"),
    ("dog", "canine"),
    ("feline", "carnivore"),
    ("big cat", "feline"),
    ("rodent", "mammal"),
    ("marine mammal", "mammal, sea creature"),
    ("bird", "creature"),
    ("songbird", "bird"),
    ("waterfowl", "bird"),
    ("wader", "bird"),
    ("flightless bird", "bird"),
    ("bird of prey", "bird"),
    ("fowl", "bird"),
    ("reptile", "creature"),
    ("fish", "sea creature"),
    ("mollusc", "sea creature"),
    ("arthropod", "creature"),
    ("insect", "arthropod"),
    ("flying insect", "insect, flying animal"),
    ("arachnid", "arthropod"),
    ("crustacean", "arthropod, sea creature"),
    ("plant", "living thing"),
    ("tree", "plant"),
    ("broadleaf tree", "tree"),
    ("conifer", "tree"),
    ("flower", "plant"),
    ("garden flower", "flower"),
    ("wild flower", "flower"),
    ("herb", "plant"),
    ("succulent plant", "plant"),
    ("cactus", "succulent plant"),
    ("houseplant", "plant"),
    ("fruit plant", "plant"),
    ("crop", "plant, food"),
    ("fungus", "living thing, food"),
    ("food", ""),
    ("fruit", "food"),
    ("tree fruit", "fruit"),
    ("soft fruit", "fruit"),
    ("vegetable", "food"),
    ("pastry", "food"),
    ("artifact", ""),
    ("machine", "artifact"),
    ("construction machine", "machine, motor vehicle"),
    ("farm machine", "machine, wheeled vehicle"),
    ("vehicle", "artifact"),
    ("wheeled vehicle", "vehicle"),
    ("motor vehicle", "wheeled vehicle"),
    ("car", "motor vehicle"),
    ("van", "motor vehicle"),
    ("truck", "motor vehicle"),
    ("bus", "motor vehicle"),
    ("emergency vehicle", "motor vehicle"),
    ("military vehicle", "vehicle"),
    ("cart", "wheeled vehicle"),
    ("cycle", "wheeled vehicle"),
    ("motor cycle", "cycle, motor vehicle"),
    ("train", "wheeled vehicle"),
    ("watercraft", "vehicle"),
    ("sailing ship", "watercraft"),
    ("motor ship", "watercraft"),
    ("rowing boat", "watercraft"),
    ("aircraft", "vehicle"),
    ("aeroplane", "aircraft"),
    ("rotorcraft", "aircraft"),
    ("aerostat", "aircraft"),
    ("spacecraft", "vehicle"),
    ("structure", "artifact"),
    ("building", "structure"),
    ("dwelling", "structure"),
    ("shelter", "structure"),
    ("high building", "building"),
    ("tower", "building"),
    ("farm building", "building"),
    ("workplace", "building"),
    ("house of worship", "building"),
    ("fortification", "building"),
    ("monument", "structure"),
    ("bridge", "structure"),
    ("furniture", "artifact"),
    ("seat", "furniture"),
    ("table", "furniture"),
    ("bedstead", "furniture"),
    ("cupboard", "furniture"),
    ("lamp", "furniture"),
    ("container", "artifact"),
    ("vessel", "container"),
    ("drinking vessel", "vessel, tableware"),
    ("bottle", "vessel"),
    ("pottery", "vessel"),
    ("kitchen pot", "vessel"),
    ("household container", "container"),
    ("basket", "container"),
    ("bag", "container"),
    ("tableware", "artifact"),
    ("cutlery", "implement, tableware"),
    ("implement", "artifact"),
    ("hand tool", "implement"),
    ("garden tool", "implement"),
    ("household tool", "implement"),
    ("weapon", "implement"),
    ("sports gear", "artifact"),
    ("musical instrument", "artifact"),
    ("stringed instrument", "musical instrument"),
    ("wind instrument", "musical instrument"),
    ("percussion", "musical instrument"),
    ("toy", "artifact"),
    ("ball", "sports gear"),
    ("clock", "machine"),
    ("wheel", "machine"),
    ("sign", ""),
    ("geometric figure", "sign"),
    ("line figure", "geometric figure"),
    ("token", "sign"),
    ("badge", "sign"),
    ("road sign", "badge"),
)

# The commonest classes, in order; the other ranks of the long tail are dealt by a hash of the name.
HEAD = ("walker", "sedan", "oak", "cottage", "runner", "cow", "daisy", "cup", "robin", "waiter")

WORLDS = ("pretrain", "transfer")


def _rank(leaf: Leaf) -> tuple[int, str]:
    place = HEAD.index(leaf.name) if leaf.name in HEAD else len(HEAD)
    return place, hashlib.sha256(leaf.name.encode()).hexdigest()


@functools.cache
def world_leaves(world: str) -> tuple[Leaf, ...]:
    """The leaf classes that occur in a world, commonest first."""
    held_out = world == "transfer"
    return tuple(sorted((leaf for leaf in LEAVES if leaf.held_out == held_out), key=_rank))


@functools.cache
def world_names(world: str) -> tuple[str, ...]:
    """Names of the leaf classes that occur in a world, commonest first."""
    return tuple(leaf.name for leaf in world_leaves(world))


def _parents(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name)


@functools.cache
def world_classes(world: str) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Class names and (child, parent) edges of a world: "pretrain" has its leaves under all inner
    classes, "transfer" its leaves alone."""
    leaves = world_leaves(world)
    if world == "transfer":
        return tuple(sorted(leaf.name for leaf in leaves)), ()
    rows = [*INNER, *((leaf.name, leaf.parents) for leaf in LEAVES if not leaf.held_out)]
    names = tuple(name for name, _ in rows)
    return names, tuple((name, parent) for name, text in rows for parent in _parents(text))


@functools.cache
def relatives(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Leaves of "pretrain" that share a parent with a leaf, and that share a grandparent only."""
    parents = {child: _parents(text) for child, text in INNER}
    leaves = {leaf.name: set(_parents(leaf.parents)) for leaf in world_leaves("pretrain")}
    grand = {leaf: {g for p in above for g in parents[p]} | above for leaf, above in leaves.items()}
    others = [leaf for leaf in leaves if leaf != name]
    siblings = tuple(leaf for leaf in others if leaves[leaf] & leaves[name])
    cousins = (leaf for leaf in others if grand[leaf] & grand[name] and leaf not in siblings)
    return siblings, tuple(cousins)
