"""The house stands as its plan says: who may import whom, who reads flags, which Keras."""

import ast
import graphlib
import pathlib
from collections.abc import Iterator

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]

# A file imports from lower floors and from its own folder.
FLOORS = {
    "revisit.allocator": 0,
    "revisit.errors": 0,
    "revisit.cli": 1,
    "revisit.data": 1,
    "revisit.models": 2,
    "revisit.evaluation": 2,
    "revisit.tasks": 3,
    "revisit.training": 4,
    "revisit.scaling": 5,
    "revisit.serving": 5,
}
TOP_FLOOR = 6
DOORS = {
    "data_prep": {"build", "taxonomy", "inspect"},
    "data_prep.examples": {"tiny_imagenet"},
    "revisit": {"train", "evaluate", "export", "study", "fit", "client", "convert", "launch"},
}
LENT_TO_DATA_PREP = {"revisit", "revisit.cli", "revisit.data", "revisit.errors"}
PACKAGES = ("revisit", "data_prep", "configs", "benchmarks")


def name_module(path: pathlib.Path) -> str:
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def find_files(*folders: str) -> list[pathlib.Path]:
    return sorted(path for folder in folders for path in (REPOSITORY / folder).rglob("*.py"))


MODULES = {name_module(path): path for path in find_files(*PACKAGES)}
EVERY_FILE = [*MODULES.values(), *find_files("tests")]


def read_tree(path: pathlib.Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def list_imports(path: pathlib.Path) -> Iterator[str]:
    """Full names of what a file imports, wherever in it: `from a import b` gives a.b."""
    package = [*path.relative_to(REPOSITORY).parent.parts]
    for node in ast.walk(read_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{source}.{alias.name}" for alias in node.names)


def list_own_imports(path: pathlib.Path) -> set[str]:
    """The modules of the project that a file imports."""
    imports = list_imports(path)
    owners = (name if name in MODULES else name.rpartition(".")[0] for name in imports)
    return {owner for owner in owners if owner in MODULES}


def is_door(module: str) -> bool:
    folder, _, name = module.rpartition(".")
    return name in DOORS.get(folder, ())


def find_floor(module: str) -> str:
    """The row of FLOORS that a module belongs to; a door is its own."""
    return ".".join(module.split(".")[:2])


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("revisit.")])
def test_imports_go_to_lower_floors(module):
    own = find_floor(module)
    assert own in FLOORS or is_door(module), f"{module} stands on no floor and is no door"
    for imported in list_own_imports(MODULES[module]) - {"revisit"}:
        theirs = find_floor(imported)
        lower = FLOORS.get(theirs, TOP_FLOOR) < FLOORS.get(own, TOP_FLOOR)
        assert theirs == own or lower, f"{module} imports {imported}, which stands no lower"


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("data_prep.")])
def test_data_prep_takes_the_record_and_nothing_else_of_revisit(module):
    imported = {name for name in list_own_imports(MODULES[module]) if name.startswith("revisit")}
    assert {find_floor(name) for name in imported} <= LENT_TO_DATA_PREP
    assert not any(name.startswith("configs") for name in list_own_imports(MODULES[module]))


def test_no_module_imports_in_a_circle():
    graph = {name: list_own_imports(path) - {name} for name, path in MODULES.items()}
    try:
        list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


@pytest.mark.parametrize("module", [name for name in MODULES if name.split(".")[0] == "revisit"])
def test_revisit_knows_neither_data_prep_nor_configs(module):
    roots = {name.split(".")[0] for name in list_imports(MODULES[module])}
    assert not roots & {"data_prep", "configs", "benchmarks", "tests"}


@pytest.mark.parametrize("path", MODULES.values(), ids=name_module)
def test_nobody_imports_a_door(path):
    assert not [name for name in list_own_imports(path) if is_door(name)]


@pytest.mark.parametrize("module", [n for n in MODULES if n.startswith(("revisit", "data_prep"))])
def test_only_doors_read_flags(module):
    if is_door(module) or module == "revisit.cli":
        return
    readers = ("absl.flags", "absl.app", "argparse", "ml_collections.config_flags", "sys.argv")
    assert not [name for name in list_imports(MODULES[module]) if name.startswith(readers)]


@pytest.mark.parametrize("module", [name for name in MODULES if is_door(name)])
def test_a_door_ends_in_the_runner_of_commands(module):
    lines = MODULES[module].read_text(encoding="utf-8").splitlines()
    assert 'if __name__ == "__main__":' in lines
    assert lines[-1] in ("    cli.run(main)", "    cli.run(main, takes_arguments=True)")


@pytest.mark.parametrize("path", EVERY_FILE, ids=name_module)
def test_keras_is_tf_keras(path):
    others = ("keras", "tensorflow.keras")
    imports = [n for n in list_imports(path) if n in others or n.startswith(("keras.", others[1]))]
    attributes = [
        node.lineno
        for node in ast.walk(read_tree(path))
        if isinstance(node, ast.Attribute) and node.attr == "keras"
        if isinstance(node.value, ast.Name) and node.value.id in ("tf", "tensorflow")
    ]
    assert not imports, "write `import tf_keras as keras`"
    assert not attributes, "write `import tf_keras as keras`"


@pytest.mark.parametrize("path", EVERY_FILE, ids=name_module)
def test_tensorflow_addons_has_one_door(path):
    if name_module(path) == "revisit.training.addons":
        return
    assert not [name for name in list_imports(path) if name.startswith("tensorflow_addons")]


def list_labels(build: pathlib.Path) -> set[str]:
    """Every //label of a BUILD file's deps. Starlark's grammar is Python's."""
    deps = (
        keyword.value
        for node in ast.walk(read_tree(build))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "deps"
    )
    constants = (node.value for dep in deps for node in ast.walk(dep) if hasattr(node, "value"))
    return {label for label in constants if isinstance(label, str) and label.startswith("//")}


@pytest.mark.parametrize(
    "floor", [f for f in FLOORS if (REPOSITORY / f.replace(".", "/")).is_dir()]
)
def test_bazel_deps_go_to_lower_floors(floor):
    labels = list_labels(REPOSITORY / floor.replace(".", "/") / "BUILD")
    floors = {label.strip("/").replace("/", ".").replace(":", ".") for label in labels}
    assert floors <= {lower for lower in FLOORS if FLOORS[lower] < FLOORS[floor]}


def test_every_folder_of_python_has_a_build_file():
    folders = {path.parent for path in EVERY_FILE}
    assert not [str(folder) for folder in folders if not (folder / "BUILD").is_file()]


@pytest.mark.parametrize("package", sorted(DOORS))
def test_bazel_targets_are_named_for_the_doors(package):
    build = (REPOSITORY / package.replace(".", "/") / "BUILD").read_text(encoding="utf-8")
    written = {door for door in DOORS[package] if f"{package}.{door}" in MODULES}
    assert written <= {door for door in DOORS[package] if f'"{door}"' in build}
