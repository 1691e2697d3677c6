"""`python -m gatehouse.dev.devservers [--keep FOLDER]`: both servers until Ctrl-C, their URLs printed."""

import argparse
import signal
import sys
from pathlib import Path

from gatehouse.dev.devservers.choice import DATABASE_URL, REDIS_URL, DevServers
from gatehouse.dev.devservers.errors import DevServerError


def main() -> int:
    """Print the addresses as environment lines and wait for SIGINT or SIGTERM; 1 when a start fails."""
    parser = argparse.ArgumentParser(prog="python -m gatehouse.dev.devservers", description=__doc__)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the data there (default: thrown away)")
    base: Path | None = parser.parse_args().keep
    endings = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, endings)
    try:
        with DevServers.start(base, keep=base is not None) as servers:
            print(f"{DATABASE_URL}={servers.postgres.url}\n{REDIS_URL}={servers.valkey.url}", flush=True)
            signal.sigwait(endings)
    except DevServerError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
