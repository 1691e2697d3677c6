"""The demo tenant of `make run`, put into a database that `gatehouse migrate` has prepared: signing keys, the user
ada, the clients web, spa and admin, one SCIM source. Idempotent. For compose.yaml; a real house registers its own.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from gatehouse.dev.plan import ROLES, Plan, Ports
from gatehouse.dev.secrets import DevSecrets
from gatehouse.dev.seed import seed
from gatehouse.faults import CommandFault

# Every name this program reads.
NAMES = frozenset(
    {
        "GATEHOUSE_AUTHZ_DATABASE_URL",
        "GATEHOUSE_SCIM_DATABASE_URL",
        "GATEHOUSE_KEY_ENCRYPTION_KEY",
        "GATEHOUSE_DEMO_CLIENT_SECRET",
        "SEED_ADMIN_CLIENT_SECRET",
        "SEED_SCIM_TOKEN",
        "SEED_USER_PASSWORD",
    }
)


def secrets_from(environ: Mapping[str, str]) -> DevSecrets:
    """The secrets the seed writes; the others of a development house are not its business and stay empty."""
    return DevSecrets(
        role_passwords={},
        tag_key="",
        key_encryption_key=environ["GATEHOUSE_KEY_ENCRYPTION_KEY"],
        user_password=environ["SEED_USER_PASSWORD"],
        web_secret=environ["GATEHOUSE_DEMO_CLIENT_SECRET"],
        admin_secret=environ["SEED_ADMIN_CLIENT_SECRET"],
        scim_token=environ["SEED_SCIM_TOKEN"],
        demo_cookie_key="",
    )


def main(environ: Mapping[str, str] = os.environ) -> int:
    """0 when the tenant is there, 3 when a setting is missing, otherwise the fault's own exit code."""
    if missing := sorted(name for name in NAMES if not environ.get(name)):
        print(f"seed: {', '.join(missing)} must be set; see deploy/make-env.sh.", file=sys.stderr)
        return 3
    plan = Plan(data=Path("/nonexistent"), ports=Ports.from_base(8000), environ={})
    urls = {ROLES[service]: environ[f"GATEHOUSE_{service.upper()}_DATABASE_URL"] for service in ("authz", "scim")}
    try:
        asyncio.run(seed(plan, secrets_from(environ), urls))
    except CommandFault as fault:
        print(f"seed: {fault.sentence}", file=sys.stderr)
        return int(fault.exit_code)
    print("The demo tenant is there.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
