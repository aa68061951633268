"""A program of the project: `door(name = "train")` in //revisit runs the module revisit.train.

Python puts the folder of a program's main file first on its path. Were that the package's own
folder, data_prep/inspect.py would be taken for the standard library's `inspect`. So the main
file is another one, alone in a folder of its own, and it runs the module by its full name,
as `python -m` does.
"""

load("@rules_python//python:defs.bzl", "py_binary")

_MAIN = """\
import runpy

if __name__ == "__main__":
    runpy.run_module("{module}", run_name = "__main__", alter_sys = True)
"""

def _main_file_impl(ctx):
    ctx.actions.write(ctx.outputs.out, _MAIN.format(module = ctx.attr.module))

_main_file = rule(
    implementation = _main_file_impl,
    attrs = {
        "module": attr.string(mandatory = True),
        "out": attr.output(mandatory = True),
    },
)

def door(name, deps):
    """A py_binary that runs <package>/<name>.py as `python -m` does.

    Args:
      name: the module in this package, and the target.
      deps: what it imports.
    """
    main = "doors/run_%s.py" % name
    _main_file(
        name = "run_" + name,
        module = native.package_name().replace("/", ".") + "." + name,
        out = main,
    )
    py_binary(
        name = name,
        srcs = [main, name + ".py"],
        main = main,
        visibility = ["//visibility:public"],
        deps = deps,
    )
