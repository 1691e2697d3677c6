"""The schema documents of a user: core and enterprise as scim2-models has them from RFC 7643, and the claims of OIDC
that SCIM has no attribute for."""

from collections.abc import Mapping
from typing import Any

from scim2_models import URN, EnterpriseUser, Extension, Resource, User

OIDC_URN = "urn:gatehouse:params:scim:schemas:extension:oidc:2.0:User"


class OidcUser(Extension):
    """Standard claims of OpenID Connect Core §5.1 without a home in RFC 7643."""

    __schema__ = URN(OIDC_URN)

    email_verified: bool | None = None
    """Whether the e-mail address of the email claim was verified to be the person's."""

    phone_number_verified: bool | None = None
    """Whether the number of the phone_number claim was verified to be the person's."""

    gender: str | None = None
    """The person's gender."""

    birthdate: str | None = None
    """The person's birthday as YYYY-MM-DD (year 0000 when it is not told) or YYYY."""

    website: str | None = None
    """The person's web page or blog."""


def _document(
    model: type[Resource[Any]] | type[Extension], name: str, description: str, required: frozenset[str] = frozenset()
) -> Mapping[str, Any]:
    """A schema document that says what is enforced: of RFC 7643's requirements only those on whole attributes."""
    dumped: dict[str, Any] = model.to_schema().model_dump()
    dumped |= {"name": name, "description": description}
    for attribute in dumped["attributes"]:
        _plain(attribute, attribute["name"] in required)
    return dumped


def _plain(attribute: dict[str, Any], required: bool) -> None:
    attribute["required"] = required
    attribute["description"] = " ".join(attribute.get("description", attribute["name"]).split())
    for sub in attribute.get("subAttributes", ()):
        _plain(sub, False)


CORE = _document(User, "User", "User Account", frozenset({"userName"}))
ENTERPRISE = _document(EnterpriseUser, "EnterpriseUser", "Enterprise User")
OIDC = _document(OidcUser, "OidcUser", "OpenID Connect claims of a user")
