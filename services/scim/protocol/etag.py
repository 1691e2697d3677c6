"""Versions of resources as weak entity tags (RFC 7644 §3.14)."""


def version_tag(version: int) -> str:
    """`meta.version` and the ETag header: W/"3"."""
    return f'W/"{version}"'


def names_version(header: str, version: int) -> bool:
    """Whether an If-Match or If-None-Match names this version. Tags are compared weakly: SCIM has no strong ones."""
    if header.strip() == "*":
        return True
    return any(tag.strip().removeprefix("W/") == f'"{version}"' for tag in header.split(","))
