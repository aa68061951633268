"""Every command that a document or a config shows exists as it is written there."""

import ast
import importlib.util
import pathlib
import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
DOCUMENTS = [
    *REPOSITORY.glob("*.md"),
    *REPOSITORY.glob("docs/**/*.md"),
    *REPOSITORY.glob("serving/**/*.md"),
    *REPOSITORY.glob("configs/**/*.py"),
    *REPOSITORY.glob("revisit/*.py"),
    *REPOSITORY.glob("data_prep/*.py"),
    *REPOSITORY.glob("data_prep/examples/*.py"),
    REPOSITORY / "Makefile",
]
ABSL_FLAGS = {"help", "helpfull", "verbosity", "logtostderr"}
PASSES_FLAGS_ON = {"data_prep.build"}  # to Beam
PASSES_FLAGS_TO = {"revisit.launch": "revisit.train"}


class Command(NamedTuple):
    document: str
    text: str
    module: str
    flags: tuple[tuple[str, str], ...]  # (name, value)


def find_commands(document: pathlib.Path) -> Iterator[Command]:
    text = document.read_text(encoding="utf-8").replace("\\\n", " ")
    programs = r"(?:python3?\S* -m (?P<module>(?:revisit|data_prep)(?:\.\w+)+)"
    targets = r"|bazel run //(?P<package>revisit|data_prep):(?P<target>\w+))"
    for found in re.finditer(programs + targets + r"(?P<rest>[^\n`#]*)", text):
        module = found["module"] or f"{found['package']}.{found['target']}"
        flags = re.findall(r"(?<![^\s\[])--([a-z][\w.]*)(?:=([^\s\]]+))?", found["rest"])
        name = str(document.relative_to(REPOSITORY))
        yield Command(name, found[0].strip(), module, tuple(flags))


COMMANDS = sorted({command for document in DOCUMENTS for command in find_commands(document)})


def find_flags(module: str) -> set[str]:
    """The flags that a door defines: first arguments of its flags.DEFINE_...(...) calls."""
    path = REPOSITORY / (module.replace(".", "/") + ".py")
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr.startswith("DEFINE_"):
                names.add(node.args[0].value)
            elif node.func.attr == "define_config":
                names.add("config")
    return names


def find_fields(config: pathlib.Path) -> set[str]:
    """The dotted names of all fields of a config file."""
    specification = importlib.util.spec_from_file_location("shown_config", config)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)

    def walk(fields, prefix):
        for name, value in fields.items():
            yield prefix + name
            if hasattr(value, "items"):
                yield from walk(value, f"{prefix}{name}.")

    return set(walk(module.get_config(), ""))


def is_known(flag: str, module: str) -> bool:
    known = find_flags(module) | find_flags(PASSES_FLAGS_TO.get(module, module)) | ABSL_FLAGS
    return flag in known or flag.removeprefix("no") in known or module in PASSES_FLAGS_ON


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: f"{c.document}: {c.text}")
def test_a_shown_command_and_its_flags_exist(command):
    path = REPOSITORY / (command.module.replace(".", "/") + ".py")
    assert path.is_file(), f"{command.document} shows `{command.text}`: there is no {path.name}"
    flags = [name for name, _ in command.flags if not name.startswith("config.")]
    unknown = [name for name in flags if not is_known(name, command.module)]
    assert not unknown, f"{command.document} shows `{command.text}`: no such flags"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: f"{c.document}: {c.text}")
def test_a_shown_config_and_its_overrides_exist(command):
    shown = dict(command.flags).get("config", "")
    if not shown.startswith("configs/"):  # a user's own, or none
        return
    config = REPOSITORY / shown
    assert config.is_file(), f"{command.document} shows `{command.text}`: no such config"
    overridden = {n.removeprefix("config.") for n, _ in command.flags if n.startswith("config.")}
    assert overridden <= find_fields(config)


def test_shown_make_targets_exist():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    documents = [path.read_text(encoding="utf-8") for path in DOCUMENTS if path.suffix == ".md"]
    shown = {name for text in documents for name in re.findall(r"(?m)(?:^|`)make ([a-z-]+)", text)}
    assert shown <= targets
