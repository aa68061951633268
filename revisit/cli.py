"""What every command of the project does before and after its own work.

Exit status: 0 done, 1 a user's mistake (one line on stderr), 2 wrong flags, 75 stopped by a signal and resumable.
"""

import os
import sys
from collections.abc import Callable, Sequence

from absl import app, flags

from revisit.errors import Interrupted, UserError

EXIT_USER_ERROR = 1
EXIT_WRONG_FLAGS = 2
EXIT_INTERRUPTED = 75  # EX_TEMPFAIL of sysexits.h: try again


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _parse_flags(argv: Sequence[str]) -> list[str]:
    try:
        arguments = flags.FLAGS(argv)
    except flags.Error as error:
        print(f"error: {_one_line(error)} (--help lists the flags)", file=sys.stderr)
        sys.exit(EXIT_WRONG_FLAGS)
    except UserError as error:  # raised while a flag's value is read, as --config's is
        print(f"error: {_one_line(error)}", file=sys.stderr)
        sys.exit(EXIT_USER_ERROR)
    return list(arguments)


def _guarded(main: Callable[[Sequence[str]], None]) -> Callable[[Sequence[str]], None]:
    def guarded(argv: Sequence[str]) -> None:
        try:
            main(argv)
        except UserError as error:
            print(f"error: {_one_line(error)}", file=sys.stderr)
            sys.exit(EXIT_USER_ERROR)
        except Interrupted as stop:
            print(f"stopped: {_one_line(stop)}", file=sys.stderr)
            sys.exit(EXIT_INTERRUPTED)
        except BrokenPipeError:  # the reader of our output (head, less) has gone: nothing left to say
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    return guarded


def run(main: Callable[[Sequence[str]], None]) -> None:
    """Runs a command: changes to the caller's directory, parses the flags, and turns errors into exit statuses.

    Under `bazel run` the process starts in the runfiles tree, and BUILD_WORKING_DIRECTORY names the directory that
    the user stands in, which relative paths are meant from.

    Args:
      main: called with the arguments that are left after the flags (argv[0] is the program).
    """
    os.chdir(os.environ.get("BUILD_WORKING_DIRECTORY", "."))
    app.run(_guarded(main), flags_parser=_parse_flags)
