"""Redirect URIs: strict where they are registered, a plain comparison where they are used."""

import pytest

from authz.protocol.errors import OAuthError
from authz.protocol.redirect_uri import (
    choose_redirect_uri,
    is_loopback,
    is_registered,
    redirect_uri_fault,
    web_uri_fault,
)
from identity_core.testing.spec import spec

GOOD = [
    "https://rp.example/cb",
    "https://rp.example",
    "https://rp.example:8443/cb?tenant=7",
    "https://sub.rp.example/a/b/c.html",
    "https://[2001:db8::1]/cb",
    "http://127.0.0.1/cb",
    "http://127.0.0.1:49152/cb",
    "http://[::1]:8010/cb",
    "http://localhost:8010/cb",
]
GOOD_NATIVE = ["com.example.app:/cb", "com.example.app:/oauth2/cb?x=1", "org.gatehouse-demo.app2:/cb"]

FOREVER_BAD = [
    "",
    "cb",
    "/cb",
    "//rp.example/cb",
    "https:/rp.example/cb",
    "https:rp.example",
    "https:///cb",
    "https://",
    "http://rp.example/cb",
    "ftp://rp.example/cb",
    "https://rp.example/cb#fragment",
    "https://rp.example/cb#",
    "https://user@rp.example/cb",
    "https://user:secret@rp.example/cb",
    "https://rp.example@evil.example/cb",
    "https://rp.example@@evil.example/cb",
    "https://rp.example\\@evil.example/cb",
    "https://rp.example\\evil.example/cb",
    "https://rp.example/cb\\..\\x",
    "https://rp.example/..;/cb",
    "https://rp.example/cb;jsessionid=1",
    "https://rp.example/a/../cb",
    "https://rp.example/./cb",
    "https://rp.example/..",
    "https://rp.example/%2e%2e/cb",
    "https://rp.example/%2E./cb",
    "https://rp.example/%2fcb",
    "https://rp.example/%5ccb",
    "https://rp.example/%252e%252e/cb",
    "https://rp.example/%40evil.example",
    "https://rp.example/%00",
    "https://rp.example/%0d%0aSet-Cookie:x",
    "https://rp.example/%3Bx",
    "https://rp.example/%",
    "https://rp.example/%zz",
    "https://rp.example/c b",
    "https://rp.example/cb\n",
    " https://rp.example/cb",
    "https://rp.example/cb\t",
    "https://rp.example/\x00",
    'https://rp.example/"',
    "https://rp.example/<script>",
    "https://rp.example/ä",
    "https://rp.exämple/cb",
    "https://rp.example:/cb",
    "https://rp.example:0/cb",
    "https://rp.example:65536/cb",
    "https://rp.example:port/cb",
    "https://-rp.example/cb",
    "https://rp..example/cb",
    "https://.rp.example/cb",
    "https://*.rp.example/cb",
    "https://rp_x.example/cb",
    "https://[::1/cb",
    "com.a.b://[x",
    "http://[::1]evil.example/cb",
    "http://[::1].evil.example/cb",
    "https://[2001:db8::1]evil.example:443/cb",
    "https://[zz]/cb",
    "https://rp.example/cb?code=1",
    "https://rp.example/cb?x=1&state=2",
    "https://rp.example/cb?iss=x",
    "https://rp.example/cb?ISS=x",
    "https://rp.example/cb?error=x",
    "https://rp.example/cb?error_description=x",
    "https://rp.example/cb?%63ode=x",
    "https://rp.example/cb?+code=x",
    "https://rp.example/cb?response=x",
    "https://rp.example/cb?id_token=x",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,x",
    "DATA:text/html,x",
    "vbscript:x",
    "file:///etc/passwd",
    "blob:https://rp.example/x",
    "about:blank",
    "urn:ietf:wg:oauth:2.0:oob",
    "intent://x",
    "https://" + "a" * 64 + ".example/cb",
    "https://rp.example/" + "a" * 2000,
]


@spec("RFC 9700 §2.6", "RFC 8252 §7.1", "RFC 8252 §7.2")
@pytest.mark.parametrize("uri", GOOD)
def test_https_and_loopback_uris_may_be_registered(uri: str) -> None:
    assert redirect_uri_fault(uri) is None


@pytest.mark.parametrize("uri", GOOD_NATIVE)
def test_private_use_schemes_are_for_native_applications(uri: str) -> None:
    assert redirect_uri_fault(uri, "native") is None
    assert redirect_uri_fault(uri, "web") is not None


@pytest.mark.parametrize(
    "uri", ["myapp:/cb", "com.example.app://host/cb", "com.example.app:/cb#x", "com.example.app:/a/../b"]
)
def test_a_private_use_scheme_has_a_dot_and_no_host(uri: str) -> None:
    assert redirect_uri_fault(uri, "native") is not None


@spec("RFC 9700 §4.1.3")
@pytest.mark.parametrize("uri", FOREVER_BAD)
@pytest.mark.parametrize("kind", ["web", "native"])
def test_row_25_and_27_every_crooked_uri_is_refused_at_registration(uri: str, kind: str) -> None:
    assert redirect_uri_fault(uri, kind) is not None


@pytest.mark.parametrize("value", [None, 1, [], {}, b"https://rp.example", True])
def test_what_is_no_string_is_refused(value: object) -> None:
    assert redirect_uri_fault(value) is not None
    assert web_uri_fault(value) is not None


@pytest.mark.parametrize(
    "uri", ["JaVaScRiPt:alert(1)", "data:x", "com.example.app:/x", "http://rp.example/logo.png", "//rp.example/x"]
)
def test_row_27_links_of_a_client_are_web_addresses(uri: str) -> None:
    assert web_uri_fault(uri) is not None
    assert web_uri_fault("https://rp.example/logo.png") is None


REGISTERED = ("https://rp.example/cb", "https://rp.example/cb?a=1")


@spec("RFC 9700 §2.1", "RFC 6749 §3.1.2.2")
@pytest.mark.parametrize(
    "presented",
    [
        "https://rp.example/cb/",
        "https://rp.example/cb?",
        "https://rp.example/cb?a=1&b=2",
        "https://rp.example/cb?a=2",
        "https://rp.example/CB",
        "https://RP.example/cb",
        "HTTPS://rp.example/cb",
        "https://rp.example:443/cb",
        "https://rp.example./cb",
        "https://rp.example/cb#",
        "https://rp.example/%63b",
        "https://rp.example/x/../cb",
        "https://rp.example/cb;x",
        "https://rp.example@evil.example/cb",
        "https://rp.example\\@evil.example/cb",
        "https://rp.example.evil.example/cb",
        "https://rp1example/cb",
        "https://rpxexample/cb",
        " https://rp.example/cb",
        "https://rp.example/cb\n",
        "",
    ],
)
def test_row_23_25_28_only_the_very_same_string_is_registered(presented: str) -> None:
    assert not is_registered(REGISTERED, presented, "native")
    assert is_registered(REGISTERED, "https://rp.example/cb", "native")


def test_row_23_a_dot_is_a_dot_and_an_empty_list_allows_nothing() -> None:
    assert not is_registered(("https://foo.example.com/cb",), "https://fooaexample.com/cb", "native")
    assert not is_registered(("https://foo.example.com/cb",), "https://fooXexample.com/cb", "native")
    assert not is_registered((), "https://rp.example/cb", "native")
    assert isinstance(choose_redirect_uri((), "https://rp.example/cb", "web"), OAuthError)
    assert isinstance(choose_redirect_uri((), None, "web"), OAuthError)


@spec("RFC 8252 §7.3")
@pytest.mark.parametrize("registered", ["http://127.0.0.1/cb", "http://127.0.0.1:8010/cb"])
@pytest.mark.parametrize("port", ["", ":1", ":8010", ":65535"])
def test_row_24_the_port_of_a_loopback_literal_varies(registered: str, port: str) -> None:
    assert is_registered((registered,), f"http://127.0.0.1{port}/cb", "native")
    assert is_registered((registered.replace("127.0.0.1", "[::1]"),), f"http://[::1]{port}/cb", "native")


@spec("RFC 9700 §2.1")
def test_row_24_the_port_of_a_web_application_does_not_vary() -> None:
    assert is_registered(("http://127.0.0.1:8010/cb",), "http://127.0.0.1:8010/cb", "web")
    assert not is_registered(("http://127.0.0.1:8010/cb",), "http://127.0.0.1:6666/cb", "web")
    assert isinstance(choose_redirect_uri(("http://127.0.0.1/cb",), "http://127.0.0.1:6666/cb", "web"), OAuthError)


@pytest.mark.parametrize(
    "presented",
    [
        "http://127.0.0.1.evil/cb",
        "http://127.0.0.1.evil:8010/cb",
        "http://127.0.0.1:8010.evil/cb",
        "http://127.0.0.1@evil/cb",
        "http://127.0.0.1:80@evil/cb",
        "http://127.0.0.1:x@evil/cb",
        "http://localhost.evil.test/cb",
        "http://localhost:8010/cb",
        "http://127.0.0.2:8010/cb",
        "http://127.1/cb",
        "http://2130706433/cb",
        "http://[::1]:8010/cb",
        "https://127.0.0.1:8010/cb",
        "http://127.0.0.1:8010/cb/x",
        "http://127.0.0.1:8010/CB",
        "http://127.0.0.1:8010/cb?x=1",
        "http://127.0.0.1:8010/cb#x",
        "http://127.0.0.1:/cb",
        "http://127.0.0.1:123456/cb",
        "http://127.0.0.1:8010",
    ],
)
def test_row_24_nothing_but_the_port_varies(presented: str) -> None:
    assert not is_registered(("http://127.0.0.1:8010/cb",), presented, "native")


def test_row_24_localhost_is_a_name_and_its_port_does_not_vary() -> None:
    assert is_registered(("http://localhost:8010/cb",), "http://localhost:8010/cb", "native")
    assert not is_registered(("http://localhost:8010/cb",), "http://localhost:8011/cb", "native")
    assert not is_loopback("http://localhost:8010/cb")
    assert is_loopback("http://[::1]:8010/cb")


@spec("RFC 6749 §3.1.2.3")
def test_the_parameter_may_be_left_out_only_with_one_uri() -> None:
    assert choose_redirect_uri(("https://rp.example/cb",), None, "web") == "https://rp.example/cb"
    refusal = choose_redirect_uri(REGISTERED, None, "web")
    assert isinstance(refusal, OAuthError)
    assert refusal.error == "invalid_request"
