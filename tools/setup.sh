#!/bin/sh
# Makes .venv with the locked packages and the project itself; run again, it goes on where it stopped.
# PYTHON=/path/to/python chooses the Python; else 3.11, 3.10, 3.12, 3.13 are looked for on the PATH.
set -eu
cd "$(dirname "$0")/.."

# A candidate is run, not just found: pyenv's shims exist for versions that are not chosen, and
# Debian's python3 lacks ensurepip until python3-venv is installed.
works() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' \
        >/dev/null 2>&1
}

find_python() {
    for name in python3.11 python3.10 python3.12 python3.13 python3; do
        (
            IFS=:
            for directory in $PATH; do
                if [ -x "$directory/$name" ] && works "$directory/$name"; then
                    echo "$directory/$name"
                    exit 0
                fi
            done
            exit 1
        ) && return 0
    done
    return 1
}

fail() {
    echo "error: $1" >&2
    exit 1
}

if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    if [ -n "${PYTHON:-}" ]; then
        works "$PYTHON" || fail "PYTHON=$PYTHON is not a Python 3.10 to 3.13 that has the modules venv and ensurepip"
    else
        PYTHON=$(find_python) || fail "no Python 3.10 to 3.13 that can make a virtual environment is on the PATH; on Debian or Ubuntu: sudo apt-get install python3-venv"
    fi
    echo "setup: making .venv with $PYTHON"
    "$PYTHON" -m venv --clear .venv
elif [ -n "${PYTHON:-}" ]; then
    echo "setup: .venv is there already; to make it with PYTHON=$PYTHON, remove it first"
fi

.venv/bin/python - <<'END'
import sys
version = "%d.%d" % sys.version_info[:2]
print(f"setup: Python {version} in .venv")
if sys.version_info >= (3, 12):
    print(f"setup: without the features of tensorflow-addons, which has no wheel for Python {version}")
END

if [ "$(uname -sm)" != "Linux x86_64" ]; then
    echo "setup: requirements.txt is locked for Linux x86_64; this is $(uname -sm), where packages may lack"
fi
echo "setup: installing the locked packages (1 GB to download; some minutes the first time)"
# The lock names every package; pips before 23.1 fail when they look for dependencies with extras.
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.txt
# setuptools warns about every editable installation
PYTHONWARNINGS=ignore .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
touch .venv/.installed
echo "setup: done"
