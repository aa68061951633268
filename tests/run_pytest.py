"""Runs pytest on the files named as arguments, as `bazel test` expects a test to run."""

import os
import sys

import pytest


def main() -> int:
    options = ["-p", "no:cacheprovider", "-rs"]
    if "XML_OUTPUT_FILE" in os.environ:
        options.append("--junitxml=" + os.environ["XML_OUTPUT_FILE"])
    if "TESTBRIDGE_TEST_ONLY" in os.environ:  # bazel test --test_filter
        options += ["-k", os.environ["TESTBRIDGE_TEST_ONLY"]]
    if "TEST_TMPDIR" in os.environ:  # matplotlib and others keep caches at home
        os.environ.setdefault("HOME", os.environ["TEST_TMPDIR"])
    status = pytest.main(options + sys.argv[1:])
    # A file whose every test is marked slow leaves nothing to run, and that is right.
    return int(0 if status == pytest.ExitCode.NO_TESTS_COLLECTED else status)


if __name__ == "__main__":
    sys.exit(main())
