"""`.gatehouse/dev.json`: what a program needs to talk to a development house. The shape is docs/dev-json.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from gatehouse.dev.plan import SERVICES, Plan
from gatehouse.dev.secrets import DevSecrets, write_private
from gatehouse.dev.seed_data import ADMIN_CLIENT_ID, EMAIL, USERNAME, spa_metadata, web_metadata

FILE = "dev.json"


def document(plan: Plan, secrets: DevSecrets, *, database_url: str, redis_url: str) -> dict[str, Any]:
    """The whole file; secrets in the clear, so it is written for its owner alone."""
    described: dict[str, Any] = {
        "issuer": plan.issuer,
        "scim_base_url": plan.scim_base_url,
        "sessions_base_url": plan.sessions_base_url,
        "management": {service: plan.management(service) for service in SERVICES},
        "user": {"username": USERNAME, "password": secrets.user_password, "email": EMAIL},
        "scim": {"token": secrets.scim_token},
        "admin": {
            "client_id": ADMIN_CLIENT_ID,
            "client_secret": secrets.admin_secret,
            "token_endpoint": f"{plan.issuer}/token",
        },
        "clients": {
            "web": {"client_id": "web", "client_secret": secrets.web_secret} | web_metadata(plan.demo_url),
            "spa": {"client_id": "spa"} | spa_metadata(),
        },
        "database_url": database_url,
        "redis_url": redis_url,
    }
    if plan.demo:
        described["demo_url"] = plan.demo_url
    if plan.certificates:
        described["ca_file"] = str(plan.certificates.authority)
    return described


def write(data: Path, described: dict[str, Any]) -> Path:
    """Write the file (mode 0600); answers its path."""
    path = data / FILE
    write_private(path, described)
    return path


def load(data: Path) -> dict[str, Any] | None:
    """The file of a house that runs or ran in `data`; None where there is none."""
    try:
        loaded: dict[str, Any] = orjson.loads((data / FILE).read_bytes())
    except (OSError, ValueError):
        return None
    return loaded
