"""What every command of the project does before and after its own work.

Exit status: 0 done, 1 a user's mistake (one line on stderr), 2 wrong flags, 75 stopped by a signal
and resumable.
"""

import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from absl import app, flags, logging
from ml_collections import ConfigDict, config_flags

from revisit.allocator import keep_freed_memory
from revisit.errors import Interrupted, UserError

keep_freed_memory()  # before TensorFlow is imported, and starts threads
flags.disclaim_key_flags()  # --config is its door's flag: --help lists it there

EXIT_USER_ERROR = 1
EXIT_WRONG_FLAGS = 2
EXIT_INTERRUPTED = 75  # EX_TEMPFAIL of sysexits.h: try again

# What Python and absl say of a value of a wrong type, and what a user wants to hear.
_WRONG_VALUES = (
    (r"invalid literal for int\(\).*", "not a whole number"),
    (r"could not convert string to float.*", "not a number"),
    (r"\('Non-boolean argument to boolean flag'.*", "neither true nor false"),
)


def _say(kind: str, error: BaseException | str) -> None:
    print(f"{kind}: {' '.join(str(error).split())}", file=sys.stderr)


def _config_path(argv: Sequence[str]) -> str | None:
    """The file that --config names, before any flag is parsed."""
    for argument, following in zip(argv, [*argv[1:], ""], strict=True):
        name, equals, value = argument.lstrip("-").partition("=")
        if argument.startswith("-") and name == "config":
            return value if equals else following
    return None


def _message(error: BaseException) -> str:
    """What ml_collections says, in errors within errors, without its list of all other fields."""
    inner = error.args[0] if error.args else error
    if isinstance(inner, BaseException) and inner is not error:
        return _message(inner)
    others = r" Other fields present: .*?(?=\nDid you mean|\Z)"
    return re.sub(others, "", str(inner), flags=re.DOTALL)


def _explain(error: BaseException, path: str) -> str:
    """One line for whatever a user's config file, or an override of a field of it, raised."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if os.path.abspath(frame.filename) == os.path.abspath(path):
            return f"{path}, line {frame.lineno}, fails: {type(error).__name__}: {_message(error)}"
    if isinstance(error, SyntaxError):
        return f"{path}, line {error.lineno}, is not Python: {error.msg}"
    if "get_config" in str(error):
        return f"{path} defines no get_config() (configs/my_data.py is there to be copied)"
    return f"--config has no such field: {_message(error)} (configs/default.py lists all fields)"


def _explain_text(traceback_text: str, path: str) -> str:
    """The same of a TypeError, of which absl passes on the traceback's text alone."""
    lines = re.findall(rf'File "{re.escape(path)}", line (\d+)', traceback_text)
    place = "".join(f", line {line}," for line in lines[-1:])
    return f"{path}{place} fails: {traceback_text.strip().splitlines()[-1]}"


def _explain_value(text: str) -> str:
    """What absl says of a value, without Python's part in it."""
    for said, meant in _WRONG_VALUES:
        text = re.sub(said, meant, text)
    return text.removeprefix("flag ")


def _parse_flags(argv: Sequence[str]) -> list[str]:
    path = _config_path(argv)
    try:
        if path is not None and not os.path.isfile(path):
            raise UserError(f"--config={path}: no such file (configs/ holds the project's own)")
        return list(flags.FLAGS(argv))
    except SystemExit:  # --help was answered, which is no mistake; absl says 1
        sys.exit(0)
    except UserError as error:
        _say("error", error)
    except flags.Error as error:
        if not str(error).startswith("flag --config"):
            _say("error", f"{error} (--help lists the flags)")
            sys.exit(EXIT_WRONG_FLAGS)
        text = str(error)
        _say(
            "error",
            _explain_text(text, path or "") if "Traceback" in text else _explain_value(text),
        )
    except Exception as error:
        if path is None:
            raise
        _say("error", _explain(error, path))
    sys.exit(EXIT_USER_ERROR)


def _parse_flags_alone(argv: Sequence[str]) -> list[str]:
    """Refuses whatever is no flag: a value after a space too many, a forgotten pair of quotes."""
    arguments = _parse_flags(argv)
    if len(arguments) > 1:
        _say("error", f"{arguments[1]!r} is no --flag, nor its value (--help lists the flags)")
        sys.exit(EXIT_WRONG_FLAGS)
    return arguments


def _guarded(main: Callable[[Sequence[str]], None]) -> Callable[[Sequence[str]], None]:
    def guarded(argv: Sequence[str]) -> None:
        logging.set_verbosity(logging.WARNING)  # TensorFlow notes every save
        try:
            main(argv)
        except UserError as error:
            _say("error", error)
            sys.exit(EXIT_USER_ERROR)
        except Interrupted as stop:
            _say("stopped", stop)
            sys.exit(EXIT_INTERRUPTED)
        except OSError as error:
            if error.filename is None:  # not about a file that the user could mend
                raise
            _say("error", f"{error.filename!r} can't be used: {error.strerror}")
            sys.exit(EXIT_USER_ERROR)

    return guarded


def run(main: Callable[[Sequence[str]], None], takes_arguments: bool = False) -> None:
    """Runs a command: changes to the caller's directory, parses flags, turns errors into statuses.

    Under `bazel run` the process starts in the runfiles tree, and BUILD_WORKING_DIRECTORY names the
    directory that the user stands in, which relative paths are meant from.

    Args:
      main: called with the arguments left after the flags (argv[0] is the program).
      takes_arguments: whether there may be any.
    """
    os.chdir(os.environ.get("BUILD_WORKING_DIRECTORY", "."))
    try:
        parse = _parse_flags if takes_arguments else _parse_flags_alone
        app.run(_guarded(main), flags_parser=parse)
    except BrokenPipeError:  # the reader of our output (head, less) has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def import_tensorflow() -> None:
    """Imports TensorFlow and lets it look for devices, without what it says on stderr meanwhile.

    Its libraries log to file descriptor 2 before their log level can be set, and those lines would
    bury the one line that a user has to read. An import that fails still raises.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import tensorflow as tf

        tf.config.list_physical_devices()
        tf.get_logger().setLevel("ERROR")  # it warns of each new run's tracing in a short study
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def define_config(meaning: str) -> flags.FlagHolder:
    """Defines --config=FILE and its overrides, --config.a.b=value."""
    meaning = f"{meaning} --config.a.b=value overrides its field a.b."
    return config_flags.DEFINE_config_file("config", None, meaning, lock_config=True)


def read_config(holder: flags.FlagHolder) -> tuple[ConfigDict, dict[str, Any]]:
    """The config that the flags name, overrides applied, and the overrides alone (field -> value).

    Raises:
      UserError: no --config, or a file that fails when it is run.
    """
    given = flags.FLAGS["config"]
    if not given.present:
        raise UserError("--config is missing: name a file, as --config=configs/demo.py")
    try:
        return holder.value, dict(config_flags.get_override_values(given))
    except Exception as error:  # whatever the user's own file raises
        path = config_flags.get_config_filename(given)
        raise UserError(_explain(error.__cause__ or error, path)) from error
