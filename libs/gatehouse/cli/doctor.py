"""`gatehouse doctor`: look at everything a deployment stands on, and say what to mend."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gatehouse.cli.output import DEFAULT_DATA, DataOption, JsonOption, say_json, say_table
from gatehouse.faults import CommandFault, ExitCode

if TYPE_CHECKING:
    from gatehouse.doctor import Finding
    from gatehouse.doctor_facts import PostgresFacts, RedisFacts
    from identity_core.settings import ServiceSettings

_MARKS = {"ok": "✓", "warning": "!", "failure": "✗"}


def doctor(
    workers: Annotated[int, typer.Option(min=1, help="Processes a service, to add up connections.")] = 1,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Check settings, stores, migrations, roles, connections, transactions, clocks and keys. Exit 11 on a failure."""
    from gatehouse.cli.surroundings import wait_for

    findings = wait_for(examine(data, workers))
    failed = [finding for finding in findings if finding.status == "failure"]
    if as_json:
        say_json({"healthy": not failed, "findings": [finding.document() for finding in findings]})
    else:
        rows = [(_MARKS[f.status], f.check, f.detail, f.mend) for f in findings]
        say_table("Gatehouse doctor", ("", "Check", "Found", "Mend"), rows, empty="")
    raise typer.Exit(ExitCode.UNHEALTHY if failed else ExitCode.OK)


async def examine(data: Path, workers: int) -> list[Finding]:
    """Every finding, in the order of dependence. A room that cannot be entered is itself a finding."""
    from gatehouse import doctor as rules
    from gatehouse.cli.surroundings import owner_environment

    settings, findings = _settings(data)
    postgres: PostgresFacts | None = None
    redis: RedisFacts | None = None
    try:
        owner_url, _ = owner_environment(data)
    except CommandFault as fault:
        findings.append(rules.failure("postgresql", fault.message, fault.mend))
    else:
        postgres = await _postgres(owner_url, findings)
    if settings:
        redis = await _redis(next(iter(settings.values())).redis_url, findings)
    if postgres and redis and not postgres.standing.missing:
        findings.append(rules.judge_ledger(postgres, redis))
    if postgres and settings:
        findings.append(rules.judge_connections(settings, workers, postgres))
    return findings + [await _readiness(service, each, data) for service, each in settings.items()]


def _settings(data: Path) -> tuple[dict[str, ServiceSettings], list[Finding]]:
    from gatehouse import doctor as rules
    from gatehouse.cli.surroundings import settings_for
    from gatehouse.dev.plan import SERVICES
    from identity_core.settings import SettingsError

    usable: dict[str, ServiceSettings] = {}
    findings: list[Finding] = []
    for service in SERVICES:
        try:
            usable[service] = settings_for(service, data)
            findings.append(rules.ok(f"settings of {service}", "readable"))
        except SettingsError as error:
            for sentence in error.faults:
                fault = CommandFault.from_sentence(ExitCode.SETTINGS, sentence)
                findings.append(rules.failure(f"settings of {service}", fault.message, fault.mend))
        except CommandFault as fault:
            findings.append(rules.failure(f"settings of {service}", fault.message, fault.mend))
    return usable, findings


async def _postgres(owner_url: str, findings: list[Finding]) -> PostgresFacts | None:
    from gatehouse import doctor as rules
    from gatehouse.cli.app import as_fault
    from gatehouse.doctor_facts import read_postgres

    try:
        facts = await read_postgres(owner_url)
    except Exception as error:
        fault = as_fault(error)
        findings.append(rules.failure("postgresql", fault.message, fault.mend))
        return None
    findings.extend(rules.judge_postgres(facts))
    return facts


async def _redis(url: str, findings: list[Finding]) -> RedisFacts | None:
    from gatehouse import doctor as rules
    from gatehouse.cli.app import as_fault
    from gatehouse.doctor_facts import read_redis

    try:
        facts = await read_redis(url)
    except Exception as error:
        fault = as_fault(error)
        findings.append(rules.failure("redis", fault.message, fault.mend))
        return None
    findings.extend(rules.judge_redis(facts))
    return facts


async def _readiness(service: str, settings: ServiceSettings, data: Path) -> Finding:
    import httpx

    from gatehouse import doctor as rules
    from gatehouse.dev import devjson

    described: Mapping[str, Mapping[str, str]] = devjson.load(data) or {}
    here = f"http://{settings.management_host}:{settings.management_port}"
    base = described.get("management", {}).get(service, here)
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=2) as client:
            answer = await client.get(f"{base}/readyz")
            failing = tuple(answer.json().get("failing", ())) if answer.status_code != httpx.codes.OK else ()
    except (httpx.HTTPError, ValueError, AttributeError):
        return rules.judge_readiness(service, None)
    return rules.judge_readiness(service, answer.status_code, failing)
