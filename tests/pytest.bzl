"""Tests that pytest runs."""

load("@rules_python//python:defs.bzl", "py_test")

def pytest_tests(deps):
    """One test target for each *_test.py of the folder, named like the file.

    A target leaves out the tests marked slow, as `make test` does; these run with
    `bazel test //tests:NAME --test_arg=-m --test_arg=slow --test_timeout=3600`.

    Args:
      deps: what the tests import or read.
    """
    for source in native.glob(["*_test.py"], allow_empty = True):
        py_test(
            name = source[:-len(".py")],
            size = "large",  # importing TensorFlow alone may take half a minute
            srcs = [source, "//tests:run_pytest.py"],
            args = ["$(rootpath %s)" % source],
            main = "//tests:run_pytest.py",
            deps = deps,
        )
