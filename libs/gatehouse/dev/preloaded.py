"""`python -m gatehouse.dev.preloaded NAME`: import first, then wait for the settings, then serve.

A service spends most of its start importing, and does not need its stores for that. So `gatehouse dev` starts the
processes at once, boots the stores meanwhile, and hands each its settings as one line of JSON on standard input when
they are known. An end of input instead means that the house will not stand: nothing is served. (Settings given this way
also stay out of the process's environment as the system shows it.)
"""

from __future__ import annotations

import importlib
import json
import os
import sys

_MODULES = {
    "authz": "authz.app",
    "scim": "scim.app",
    "sessions": "sessions.app",
    "demo": "gatehouse.demo.app",
}


def main(name: str) -> int:
    """Serve `name`; the exit code is that of `gatehouse serve`, or of the demo."""
    importlib.import_module(_MODULES[name])
    line = sys.stdin.readline()
    if not line:
        return 0
    os.environ.update(json.loads(line))
    if name == "demo":
        from gatehouse.demo.__main__ import main as serve_demo

        return serve_demo()
    from gatehouse.cli.app import run

    return run(["serve", name])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
