"""`gatehouse dev` for real: the whole house in its own processes, and a person in a browser."""

import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pyotp
import pytest
from playwright.sync_api import Page, sync_playwright

from gatehouse.dev.devservers.processes import processes_in
from gatehouse.faults import ExitCode

pytestmark = pytest.mark.slow
CHROMIUM = "/usr/bin/chromium"


def environment() -> dict[str, str]:
    """Ours without settings; compiled modules are shared by all houses of this machine's tests."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GATEHOUSE_")}
    plain.pop("PYTHONDONTWRITEBYTECODE", None)
    return plain | {"PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir(), f"gatehouse-pycache-{os.getuid()}"))}


class House:
    """One run of `gatehouse dev` on free ports."""

    def __init__(self, data: Path, *options: str) -> None:
        self.data = data
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gatehouse", "dev", "--port-base", "0", "--json", "--data", str(data), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._drain, daemon=True)
        try:
            self.announced = self._announcement()
        except BaseException:
            self.end(signal.SIGTERM)
            raise
        self.described: dict[str, Any] = json.loads((data / "dev.json").read_text())
        self._reader.start()

    def _announcement(self) -> dict[str, Any]:
        assert self.process.stdout
        assert self.process.stderr
        text = ""
        for line in self.process.stdout:
            text += line
            if line == "}\n":
                announced: dict[str, Any] = json.loads(text)
                return announced
        raise AssertionError(self.process.stderr.read())

    def _drain(self) -> None:
        assert self.process.stdout
        self.lines.extend(self.process.stdout)

    def children(self) -> dict[str, int]:
        """The services' process ids by name."""
        found = {}
        for entry in Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue
            if parent == self.process.pid and words[2:3] == [b"gatehouse.dev.preloaded"]:
                found[words[3].decode()] = int(entry.name)
        return found

    def end(self, number: signal.Signals) -> int:
        """Send a signal and wait for the exit code."""
        self.process.send_signal(number)
        code = self.process.wait()
        if self._reader.is_alive():
            self._reader.join()
        return code

    def spans(self, process: str) -> list[dict[str, Any]]:
        """What was printed of one process."""
        found = (line.partition(" | ") for line in self.lines)
        return [json.loads(span) for name, _, span in found if name == process]

    def gatehouse(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another command of the operator beside it, finding the house by its folder alone."""
        return subprocess.run(
            [sys.executable, "-m", "gatehouse", *arguments, "--data", str(self.data)],
            capture_output=True,
            text=True,
            env=environment(),
            check=False,
        )

    def nothing_left(self) -> bool:
        """No store works in the data folder any more."""
        return not any(processes_in(folder) for folder in self.data.iterdir() if folder.is_dir())


@pytest.fixture
def data() -> Iterator[Path]:
    """A folder that the stores' account can enter, so that nothing is put elsewhere; gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="gatehouse-house-"))
    folder.chmod(0o711)
    yield folder / "house"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def start(data: Path) -> Iterator[Callable[..., House]]:
    """`start("--tls")` begins a run in this test's folder; whatever still runs at the test's end is ended."""
    houses: list[House] = []

    def begin(*options: str) -> House:
        houses.append(House(data, *options))
        return houses[-1]

    yield begin
    for house in houses:
        if house.process.poll() is None:
            house.end(signal.SIGTERM)


@pytest.fixture
def browser_page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_context(ignore_https_errors=True).new_page()
        browser.close()


def sign_in(page: Page, described: dict[str, Any]) -> None:
    """Through the demo, with the second factor enrolled on the way where the tenant asks for it."""
    page.goto(described["demo_url"])
    page.click("#sign-in")
    page.fill("#username", described["user"]["username"])
    page.fill("#password", described["user"]["password"])
    page.click("#login-submit")
    if page.query_selector("#enroll-secret"):
        secret = page.inner_text("#enroll-secret").replace(" ", "")
        page.fill("#enroll-code", pyotp.TOTP(secret).now())
        page.click("#enroll-submit")
    if page.query_selector("#consent-allow"):
        page.click("#consent-allow")


@pytest.mark.browser
def test_a_person_signs_in_is_revoked_and_the_house_keeps_its_data(
    start: Callable[..., House], browser_page: Page
) -> None:
    house = start()
    first = house.described
    assert house.announced["ready"] is True
    sign_in(browser_page, first)
    assert browser_page.inner_text("#email") == "ada@example.com"
    said = browser_page.inner_text("#userinfo")
    for claim in ("zoneinfo", "birthdate", "address", "phone_number_verified", "website", "updated_at"):
        assert claim in said
    browser_page.click("#refresh")
    assert "The tokens are new." in browser_page.inner_text("main")

    second = house.gatehouse("dev", "--port-base", "0", "--json")
    assert second.returncode == ExitCode.CONFLICT
    assert "Another `gatehouse dev` runs" in second.stderr

    assert house.gatehouse("session", "revoke", "--user", "ada").returncode == ExitCode.OK
    browser_page.goto(first["demo_url"])
    assert "Please sign in again" in browser_page.inner_text("main")
    assert house.gatehouse("doctor").returncode == ExitCode.OK
    assert house.end(signal.SIGINT) == ExitCode.OK
    assert house.nothing_left()

    again = start()
    for part in ("user", "scim"):
        assert again.described[part] == first[part]
    for client in ("web", "spa"):
        assert again.described["clients"][client].get("client_secret") == first["clients"][client].get("client_secret")
    users = again.gatehouse("session", "list", "--state", "all", "--json")
    assert [row["username"] for row in json.loads(users.stdout)["sessions"]] == ["ada"]

    os.kill(again.children()["scim"], signal.SIGKILL)
    assert again.process.wait() == ExitCode.CHILD
    assert again.process.stderr
    fault = json.loads(again.process.stderr.read())["error"]
    assert fault["message"] == "scim ended by itself (signal 9)"
    assert again.nothing_left()


def test_with_tls_everything_public_is_https_and_spans_are_printed(start: Callable[..., House]) -> None:
    house = start("--tls", "--otel", "console")
    described = house.described
    with httpx.Client(verify=ssl.create_default_context(cafile=described["ca_file"]), trust_env=False) as client:
        metadata = client.get(f"{described['issuer']}/.well-known/openid-configuration").json()
        assert metadata["issuer"] == described["issuer"]
        assert metadata["token_endpoint"] == described["admin"]["token_endpoint"]
        assert client.get(described["demo_url"]).status_code == httpx.codes.OK
        assert client.get(f"{described['demo_url']}/login").is_redirect
        admin = described["admin"]
        for base in (described["scim_base_url"], described["sessions_base_url"]):
            scope = "scim" if base.endswith("/scim/v2") else "sessions:read"
            answer = client.post(
                admin["token_endpoint"],
                auth=(admin["client_id"], admin["client_secret"]),
                data={"grant_type": "client_credentials", "scope": scope, "resource": base},
            )
            assert answer.status_code == httpx.codes.OK, answer.text
        users = client.get(
            f"{described['scim_base_url']}/Users", headers={"Authorization": f"Bearer {described['scim']['token']}"}
        ).json()
        assert [user["userName"] for user in users["Resources"]] == ["ada"]
    for base in described["management"].values():
        assert httpx.get(f"{base}/readyz", trust_env=False).status_code == httpx.codes.OK
    assert house.end(signal.SIGTERM) == ExitCode.OK
    spans = house.spans("authz")
    assert "/token" in {span["attributes"].get("url.path") for span in spans}
    # What the demo asks of the provider behind the browser's back belongs to the browser's own request.
    [login] = [span for span in house.spans("demo") if span["attributes"].get("url.path") == "/login"]
    assert login["context"]["trace_id"] in {span["context"]["trace_id"] for span in spans}
    assert house.nothing_left()
