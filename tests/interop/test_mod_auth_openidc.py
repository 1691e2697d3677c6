"""Debian's Apache with mod_auth_openidc lets nobody in but whom Gatehouse names."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from identity_core.secrets import random_token
from identity_core.testing.relying_party import SCOPE
from identity_core.testing.stack import Operator, Registration
from identity_core.testing.visitor import Page, Visitor
from tests.flows.houses import Person, new_person, new_visitor
from tests.flows.stack import Stack, free_port
from tests.interop.needs import Apache, Missing, bring_apache

pytestmark = pytest.mark.interop

_MODULES = ("mpm_event", "authn_core", "authz_core", "authz_user", "auth_openidc")
_NOBODY = 65534
_CONFIGURATION = """
{modules}
ServerRoot "{folder}"
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile "{folder}/apache.pid"
DefaultRuntimeDir "{folder}"
Mutex file:{folder} default
ErrorLog "{folder}/error.log"
DocumentRoot "{folder}/www"
StartServers 1

OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID {client_id}
OIDCClientSecret {client_secret}
OIDCCABundlePath "{ca_file}"
OIDCRedirectURI {url}/protected/callback
OIDCDefaultLoggedOutURL {url}/public.html
OIDCCryptoPassphrase {passphrase}
OIDCPKCEMethod S256
OIDCResponseType code
OIDCScope "{scope}"
OIDCRemoteUserClaim sub
OIDCInfoHook id_token userinfo access_token refresh_token
OIDCCookieSameSite On

<Location "/protected">
    AuthType openid-connect
    Require valid-user
</Location>
"""


@dataclass
class Site:
    """A private Apache: `/protected/` is for whoever has signed in."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]

    def log(self) -> str:
        path = self.folder / "error.log"
        return path.read_text() if path.exists() else ""

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(20)


async def start_site(apache: Apache, folder: Path, port: int, stack: Stack, client: Registration) -> Site:
    """Start one on `port` with everything it writes in `folder`."""
    url = f"http://127.0.0.1:{port}"
    for name, text in (("protected/index.html", "for members"), ("public.html", "for everybody")):
        (folder / "www" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "www" / name).write_text(text)
    (folder / "ca.pem").write_text(Path(stack.house.ca_file or "").read_text())
    configuration = folder / "apache.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            modules="\n".join(f'LoadModule {name}_module "{apache.modules}/mod_{name}.so"' for name in _MODULES),
            folder=folder,
            port=port,
            url=url,
            issuer=stack.house.issuer,
            client_id=client.client_id,
            client_secret=client.client_secret,
            ca_file=folder / "ca.pem",
            passphrase=random_token(),
            scope=SCOPE,
        )
    )
    # It refuses to serve as root, and another account must own what it writes into.
    root = os.geteuid() == 0
    for path in (folder, *folder.rglob("*")) if root else ():
        os.chown(path, _NOBODY, _NOBODY)
    process = subprocess.Popen(
        [str(apache.program), "-f", str(configuration), "-DFOREGROUND"],
        start_new_session=True,
        stderr=subprocess.PIPE,
        user=_NOBODY if root else None,
        group=_NOBODY if root else None,
        extra_groups=[] if root else None,
    )
    site = Site(url, folder, process)
    async with httpx.AsyncClient(trust_env=False) as http:
        for _ in range(300):
            if process.poll() is not None:
                raise AssertionError(f"Apache ended: {process.stderr and process.stderr.read().decode()}{site.log()}")
            try:
                if (await http.get(f"{url}/public.html")).status_code == 200:
                    return site
            except httpx.TransportError:
                await asyncio.sleep(0.1)
    site.stop()
    raise AssertionError(f"Apache does not answer: {site.log()}")


@dataclass
class Scene:
    """One person with a browser that visits the site, and the operator."""

    site: Site
    browser: httpx.AsyncClient
    visitor: Visitor
    person: Person
    operator: Operator

    async def visit(self, path: str) -> httpx.Response | Page:
        """GET at the site; a redirect to the provider is followed there, and back again if it leads back."""
        answer = await self.browser.get(f"{self.site.url}{path}")
        while answer.is_redirect:
            target = answer.headers["location"]
            if not target.startswith(self.site.url):
                page = await self.visitor.open(target)
                if not page.left:
                    return page
                target = page.url
            answer = await self.browser.get(target)
        return answer

    async def sign_in(self) -> httpx.Response:
        page = await self.visit("/protected/index.html")
        assert isinstance(page, Page), self.site.log()
        page = await self.visitor.sign_in(page, self.person.username, self.person.password, None)
        page, self.person.authenticator = await self.visitor.enroll(page)
        answer = await self.browser.get(page.url)
        assert answer.is_redirect, (answer.text, self.site.log())
        return await self.browser.get(answer.headers["location"])

    async def info(self) -> dict[str, Any]:
        """What the module knows about the person (its info hook)."""
        answer = await self.browser.get(f"{self.site.url}/protected/callback", params={"info": "json"})
        assert answer.status_code == 200, (answer.text, self.site.log())
        known: dict[str, Any] = json.loads(answer.text)
        return known

    async def refresh(self) -> httpx.Response:
        """Let the module refresh its tokens."""
        token = (await self.info())["access_token"]
        parameters = {"refresh": f"{self.site.url}/public.html", "access_token": token}
        return await self.browser.get(f"{self.site.url}/protected/callback", params=parameters)


@pytest_asyncio.fixture
async def scene(tls_stack: Stack) -> AsyncIterator[Scene]:
    apache = bring_apache()
    if isinstance(apache, Missing):
        pytest.skip(apache.advice)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    client = await tls_stack.register(
        client_name="Apache",
        redirect_uris=[f"{url}/protected/callback"],
        post_logout_redirect_uris=[f"{url}/public.html"],
        grant_types=["authorization_code", "refresh_token"],
        token_endpoint_auth_method="client_secret_basic",
        scope=SCOPE,
    )
    async with AsyncExitStack() as exits:
        # Not pytest's folder: that one is closed to other accounts.
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="gatehouse-apache-")))
        site = await start_site(apache, folder, port, tls_stack, client)
        exits.callback(site.stop)
        operator = await exits.enter_async_context(Operator(tls_stack.house))
        visitor = await exits.enter_async_context(new_visitor(tls_stack))
        browser = await exits.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=30))
        yield Scene(site, browser, visitor, await new_person(operator), operator)


async def test_it_signs_in_refreshes_and_signs_out(scene: Scene) -> None:
    answer = await scene.sign_in()
    assert (answer.status_code, answer.text) == (200, "for members")
    before = await scene.info()
    assert before["id_token"]["sub"] == before["userinfo"]["sub"] == scene.person.id
    assert before["userinfo"]["email"] == scene.person.username

    refreshed = await scene.refresh()
    assert refreshed.headers["location"] == f"{scene.site.url}/public.html", scene.site.log()
    after = await scene.info()
    assert after["refresh_token"] != before["refresh_token"]
    assert after["access_token"] != before["access_token"]

    out = await scene.visit(f"/protected/callback?logout={scene.site.url}/public.html")
    assert isinstance(out, httpx.Response)
    assert out.text == "for everybody"
    page = await scene.visit("/protected/index.html")
    assert isinstance(page, Page)
    assert page.heading == "Sign in"


async def test_who_is_signed_in_at_the_provider_is_let_in_without_a_question(scene: Scene) -> None:
    await scene.sign_in()
    scene.browser.cookies.clear()
    answer = await scene.visit("/protected/index.html")
    assert isinstance(answer, httpx.Response)
    assert answer.text == "for members"


async def test_a_revoked_person_is_not_refreshed(scene: Scene) -> None:
    await scene.sign_in()
    await scene.operator.revoke({"subject": scene.person.id})
    refused = await scene.refresh()
    assert "error_code=refresh_failed" in refused.headers["location"]
    scene.browser.cookies.clear()
    page = await scene.visit("/protected/index.html")
    assert isinstance(page, Page)
    assert page.heading == "Sign in"
