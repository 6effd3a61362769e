"""The ends of a session that are not its aim."""


class Failure(Exception):
    """An end that the run must hear about: a failure class of the protocol, a sentence, a line."""

    def __init__(self, failure_class, message, line=None, rows_at_once=None):
        super().__init__(message)
        self.failure_class = failure_class
        self.line = line
        self.rows_at_once = rows_at_once


class Stopped(Exception):
    """The session was told to stop before there was anything to save."""
