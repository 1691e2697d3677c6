"""The door of `gatehouse`: it opens without any package installed, so that a missing one is a plain sentence."""

from __future__ import annotations

import sys

_OURS = ("gatehouse", "identity_core", "authz", "scim", "sessions")
_NOT_INSTALLED = 12  # ExitCode.NOT_INSTALLED; nothing that could be missing is imported here


def main() -> None:
    """Run the command line of this process and exit with its code."""
    try:
        from gatehouse.cli.app import run
    except ModuleNotFoundError as fault:
        if fault.name is None or fault.name.split(".")[0] in _OURS:
            raise
        _say_not_installed(fault.name)
        sys.exit(_NOT_INSTALLED)
    sys.exit(run(sys.argv[1:]))


def _say_not_installed(package: str) -> None:
    message = f"The Python package {package} is not installed for {sys.executable}"
    mend = "run `make venv` and then `.venv/bin/gatehouse`, or `make run`"
    if "--json" in sys.argv[1:]:
        text = f'{{"error": {{"code": "not_installed", "message": "{message}", "mend": "{mend}"}}}}'
    else:
        text = f"gatehouse: {message}: {mend}."
    print(text, file=sys.stderr)
