"""Makes the Python that has the project's packages installed Bazel's Python toolchain.

That Python is $REVISIT_PYTHON if set, else .venv/bin/python in the workspace, else the active
virtual environment's, else python3 on the PATH. Every package in requirements.txt becomes a
target with the label that rules_python's pip.parse would give it (absl-py is @pypi//absl_py),
but one that stands for the installed package.
"""

_TOOLCHAIN = """\
load("@rules_python//python:defs.bzl", "py_runtime", "py_runtime_pair")

py_runtime(
    name = "runtime",
    interpreter_path = "{interpreter}",
    python_version = "PY3",
)

py_runtime_pair(
    name = "runtime_pair",
    py3_runtime = ":runtime",
)

toolchain(
    name = "toolchain",
    toolchain = ":runtime_pair",
    toolchain_type = "@bazel_tools//tools/python:toolchain_type",
)
"""

_PACKAGE = """\
load("@rules_python//python:defs.bzl", "py_library")

py_library(
    name = "{name}",
    visibility = ["//visibility:public"],
)
"""

# Prints the interpreter, the labels of all that requirements.txt locks, and what is not installed
# of that part of it which is meant for this Python (a lock names packages for several).
_PROBE = """\
import importlib.metadata, re, sys
try:
    from packaging.requirements import Requirement
except ImportError:
    from pip._vendor.packaging.requirements import Requirement
lines = re.findall(r"^\\w[^\\\\\\n#]*", open(sys.argv[1]).read(), re.MULTILINE)
required = [Requirement(line) for line in lines]
installed = {
    re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower()
    for found in importlib.metadata.distributions()
}
missing = {
    item.name
    for item in required
    if (item.marker is None or item.marker.evaluate())
    and re.sub(r"[-_.]+", "-", item.name).lower() not in installed
}
print(sys.executable)
print(*sorted({re.sub(r"[-_.]+", "_", item.name).lower() for item in required}))
print(*sorted(missing))
"""

def _find_python(ctx, workspace):
    env = ctx.os.environ
    if env.get("REVISIT_PYTHON"):
        return env["REVISIT_PYTHON"]
    for venv in ["%s/.venv" % workspace, env.get("VIRTUAL_ENV")]:
        if venv and ctx.path(venv + "/bin/python").exists:
            return venv + "/bin/python"
    return ctx.which("python3") or fail("no python3 on the PATH and no .venv: run `make setup` first")

def _local_python_impl(ctx):
    requirements = ctx.path(Label("//:requirements.txt"))
    python = _find_python(ctx, requirements.dirname)
    probe = ctx.execute([python, "-c", _PROBE, requirements])
    if probe.return_code:
        fail("%s (set REVISIT_PYTHON to use another) failed:\n%s" % (python, probe.stderr))
    executable, names, missing = probe.stdout.split("\n")[:3]
    if missing:
        fail("%s lacks %s.\nRun `make setup`, " % (executable, missing) +
             "or set REVISIT_PYTHON to a Python that has what requirements.txt lists.")

    # A script, since rules_python 2 makes a virtual environment of its own around the
    # interpreter that it is given, in which that interpreter would not see its packages.
    ctx.file("python3", "#!/bin/sh\nexec '%s' \"$@\"\n" % executable, executable = True)
    ctx.file("BUILD", _TOOLCHAIN.format(interpreter = ctx.path("python3")))
    for name in names.split(" "):
        ctx.file(name + "/BUILD", _PACKAGE.format(name = name))

local_python = repository_rule(
    implementation = _local_python_impl,
    configure = True,
    environ = ["PATH", "REVISIT_PYTHON", "VIRTUAL_ENV"],
    local = True,
)
