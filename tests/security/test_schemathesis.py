"""Requests made up from the OpenAPI documents: no 5xx, and nothing but what the document announces."""

from __future__ import annotations

import warnings
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import booleans
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from identity_core.testing.stack import Operator
from tests.flows.houses import new_person
from tests.flows.stack import Stack
from tests.security.inventory import FAMILIES

DOCUMENTED = sorted(service for service, path in FAMILIES if path == "/openapi.json")


@pytest.mark.parametrize("service", DOCUMENTED)
async def test_no_request_from_the_document_makes_a_5xx(stack: Stack, service: str) -> None:
    house = stack.house
    base = {"authz": house.issuer, "scim": house.scim_base_url, "sessions": house.sessions_base_url}[service]
    origin = str(httpx.URL(base).copy_with(raw_path=b"")).rstrip("/")
    async with Operator(house) as operator:
        document = (await operator.http.get(f"{origin}/openapi.json")).raise_for_status().json()
        headers = {"Authorization": f"Bearer {await credential_of(operator, service)}"}
        known = {"slug": "default"} | ({"id": (await new_person(operator)).id} if service == "scim" else {})
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=origin)
    found: list[Any] = list(schema.get_all_operations())
    operations = [result.ok() for result in found]
    assert operations
    for operation in operations:
        try_out(operation, headers, known)


async def credential_of(operator: Operator, service: str) -> str:
    if service == "scim":
        return operator.house.scim_token
    return await operator.token("sessions:read sessions:revoke", operator.house.sessions_base_url)


def try_out(operation: Any, headers: dict[str, str], known: dict[str, str]) -> None:
    """Thirty requests of one operation, the same in every run; about half of them at addresses that are `known`."""

    @settings(
        max_examples=30,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), there=booleans())
    def each(case: Any, there: bool) -> None:
        if selects_everybody(case.body):
            return  # it would end the very token that asks
        if there and operation.method.upper() != "DELETE":
            case.path_parameters |= {name: value for name, value in known.items() if name in case.path_parameters}
        answer = case.call(headers=headers)
        assert answer.status_code < 500, f"{operation.label}: {answer.status_code} {answer.text[:300]}"
        case.validate_response(answer, checks=[status_code_conformance, response_schema_conformance])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        each()


def selects_everybody(body: Any) -> bool:
    selector = body.get("selector") if isinstance(body, dict) else None
    return isinstance(selector, dict) and "tenant" in selector and body.get("dry_run") is not True
