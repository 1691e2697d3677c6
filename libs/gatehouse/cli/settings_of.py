"""The settings class of each service, and every name any of them reads."""

from __future__ import annotations

from authz.settings import AuthzSettings
from identity_core.settings import ServiceSettings, names
from scim.settings import ScimSettings
from sessions.settings import SessionsSettings

CLASSES: dict[str, type[ServiceSettings]] = {
    settings.service: settings for settings in (AuthzSettings, ScimSettings, SessionsSettings)
}
# One environment may serve all three: what one service reads is no unknown setting to another.
EVERY_NAME = frozenset().union(*(names(settings) for settings in CLASSES.values())) | {"GATEHOUSE_DATA"}


def settings_class(service: str) -> type[ServiceSettings]:
    """The class of `service`, one of authz, scim, sessions."""
    return CLASSES[service]
