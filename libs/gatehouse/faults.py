"""What can go wrong for the operator: an exit code, what happened, and what to do about it.

Every fault is one sentence, "<what happened>: <what to do>." The codes are documented in docs/exit-codes.md.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How `gatehouse` ends. The numbers are part of its interface and do not change."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    SETTINGS = 3
    STORE = 4
    MIGRATION = 5
    PORT = 6
    NOT_FOUND = 7
    CONFLICT = 8
    REFUSED = 9
    CHILD = 10
    UNHEALTHY = 11
    NOT_INSTALLED = 12
    INTERRUPTED = 130

    @property
    def word(self) -> str:
        """The code as `error.code` of the JSON form."""
        return self.name.lower()


class CommandFault(Exception):
    """A command cannot go on. `message` says what happened and `mend` what to do, both without a full stop."""

    def __init__(self, exit_code: ExitCode, message: str, mend: str) -> None:
        self.exit_code = exit_code
        self.message = message.rstrip(" .:")
        self.mend = mend.rstrip(" .")
        super().__init__(self.sentence)

    @property
    def sentence(self) -> str:
        """The fault for a person."""
        if not self.mend:
            return f"{self.message}."
        return f"{self.message}: {self.mend}{'' if self.mend.endswith('?') else '.'}"

    def document(self) -> dict[str, dict[str, str]]:
        """The fault for a program: `{"error": {"code", "message", "mend"}}`."""
        return {"error": {"code": self.exit_code.word, "message": self.message, "mend": self.mend}}

    @classmethod
    def from_sentence(cls, exit_code: ExitCode, sentence: str) -> CommandFault:
        """A fault from a sentence of another room, written "<what happened>: <mend>." or with a semicolon."""
        for mark in (": ", "; "):
            message, found, mend = sentence.strip().rpartition(mark)
            if found and "\n" not in mend:
                return cls(exit_code, message, mend)
        return cls(exit_code, sentence.strip(), "")
