"""What a refusal must look like in each family, and what no answer may hold."""

from __future__ import annotations

import re

import httpx

from tests.security.inventory import Family

ERROR_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:Error"
# RFC 6749 §5.2: what error and error_description may hold.
_ERROR_TEXT = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+")
_LEAKS = ("traceback", "asyncpg", "redis.exceptions", "sqlalchemy", 'file "/', "site-packages", '{"detail"')


def check(family: Family, answer: httpx.Response, case: str) -> None:
    """The answer is no fault of the server and, if it refuses, refuses in the family's own words."""
    about = f"{case}: {answer.status_code} {answer.headers.get('content-type')} {answer.text[:300]!r}"
    assert answer.status_code < 500, about
    for leak in _LEAKS:
        assert leak not in answer.text.lower(), about
    if answer.status_code < 400:
        return
    assert answer.headers["x-content-type-options"] == "nosniff", about
    checker = {
        "oauth": _oauth,
        "resource": _resource,
        "page": _page,
        "scim": _scim,
        "problem": _problem,
        "document": _problem,
        "asset": _any,
    }[family]
    checker(answer, about)


def _oauth(answer: httpx.Response, about: str) -> None:
    """RFC 6749 §5.2."""
    assert answer.headers["content-type"].startswith("application/json"), about
    assert "no-store" in answer.headers["cache-control"], about
    body = answer.json()
    assert _ERROR_TEXT.fullmatch(body["error"]), about
    assert _ERROR_TEXT.fullmatch(body.get("error_description", "none")), about
    assert set(body) <= {"error", "error_description"}, about


def _resource(answer: httpx.Response, about: str) -> None:
    """RFC 6750 §3."""
    if answer.status_code in (401, 403):
        assert answer.headers["www-authenticate"].startswith("Bearer "), about
    if answer.text:
        _oauth(answer, about)


def _page(answer: httpx.Response, about: str) -> None:
    assert answer.headers["content-type"].startswith("text/html"), about
    assert "<h1" in answer.text, about
    assert "<script" not in answer.text, about
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy, about
    assert "frame-ancestors 'none'" in policy, about


def _scim(answer: httpx.Response, about: str) -> None:
    """RFC 7644 §3.12."""
    assert answer.headers["content-type"].startswith("application/scim+json"), about
    body = answer.json()
    assert body["schemas"] == [ERROR_SCHEMA], about
    assert body["status"] == str(answer.status_code), about
    assert body["detail"], about


def _problem(answer: httpx.Response, about: str) -> None:
    """RFC 9457 §3."""
    assert answer.headers["content-type"].startswith("application/problem+json"), about
    body = answer.json()
    assert body["status"] == answer.status_code, about
    assert body["title"], about


def _any(answer: httpx.Response, about: str) -> None:
    """A file that is not there needs no words."""
