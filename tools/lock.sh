#!/bin/sh
# Remakes requirements.txt, the lock, from pyproject.toml: tools/lock.sh [uv's flags, e.g. --upgrade]
# One file serves Python 3.10 to 3.13 on Linux x86-64. Needs uv (pip install uv).
set -eu
cd "$(dirname "$0")/.."
{
    echo "# Every package that the project installs, with its hashes: Python 3.10 to 3.13, Linux x86-64."
    echo "# Made from pyproject.toml by tools/lock.sh; change that, and run this."
} >requirements.txt.new
trap 'rm -f requirements.txt.new requirements.txt.lines' EXIT
# uv keeps the versions that it finds in its output file, so it starts from the present lock.
cp requirements.txt requirements.txt.lines
uv pip compile pyproject.toml --extra dev --universal --python-version 3.10 --generate-hashes \
    --no-emit-index-url --no-annotate --no-header --quiet --output-file requirements.txt.lines "$@"
cat requirements.txt.lines >>requirements.txt.new
mv requirements.txt.new requirements.txt
