"""What a request is refused with, in SCIM's own words (RFC 7644 §3.12)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

SCHEMA = "urn:ietf:params:scim:api:messages:2.0:Error"

ScimType = Literal[
    "invalidFilter",
    "invalidPath",
    "invalidSyntax",
    "invalidValue",
    "mutability",
    "noTarget",
    "uniqueness",
]


@dataclass(frozen=True, slots=True)
class ScimError:
    """A refusal. `detail` is public and repeats no value of the request."""

    status: int
    detail: str
    scim_type: ScimType | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """The message; `status` is a string (§3.12)."""
        return error_body(self.status, self.detail, self.scim_type)


class Refused(Exception):
    """Carries a ScimError up through a recursion. Each public rule turns it back into a value."""

    def __init__(self, error: ScimError) -> None:
        super().__init__(error.detail)
        self.error = error


def error_body(status: int, detail: str, scim_type: str | None = None) -> dict[str, Any]:
    body: dict[str, Any] = {"schemas": [SCHEMA], "status": str(status)}
    if scim_type:
        body["scimType"] = scim_type
    body["detail"] = detail
    return body


def invalid_syntax(detail: str) -> ScimError:
    return ScimError(400, detail, "invalidSyntax")


def invalid_value(detail: str) -> ScimError:
    return ScimError(400, detail, "invalidValue")


def invalid_path(detail: str) -> ScimError:
    return ScimError(400, detail, "invalidPath")


def invalid_filter(detail: str) -> ScimError:
    return ScimError(400, detail, "invalidFilter")


def mutability(detail: str) -> ScimError:
    return ScimError(400, detail, "mutability")


def no_target(detail: str) -> ScimError:
    return ScimError(400, detail, "noTarget")


def uniqueness(detail: str) -> ScimError:
    return ScimError(409, detail, "uniqueness")


def not_found() -> ScimError:
    return ScimError(404, "there is no such resource")
