"""The two ways in which a command ends that are nobody's bug."""


class UserError(Exception):
    """A user's mistake. The message is one line: what is wrong, where, and how to mend it."""


class Interrupted(BaseException):
    """A signal stopped the work after it was saved; the same command goes on from there.

    No Exception, as KeyboardInterrupt is none: a signal may come inside a library that goes on
    after any Exception, and it would be lost.
    """
