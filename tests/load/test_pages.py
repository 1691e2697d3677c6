"""Reading the provider's pages, and keeping its cookies."""

from load.browser import secret_from_text
from load.generator.jar import Jar
from load.pages import form_of


def test_a_form_is_found_with_its_fields_and_what_the_page_shows() -> None:
    form = form_of(
        '<p id="lead">Hello</p><code id="enroll-secret" class="x">ABCD EFGH</code>'
        '<form method="post" action="/enroll/totp?interaction=a&amp;b=c">'
        '<input type="hidden" name="step" value="3"><input id="enroll-code" name="code">'
        '<button id="enroll-submit" name="go">Go</button></form><form action="/other"><input name="x"></form>'
    )
    assert form is not None
    assert form.action == "/enroll/totp?interaction=a&b=c"
    assert form.hidden == {"step": "3"}
    assert form.names == {"code"}
    assert form.texts["enroll-secret"] == "ABCD EFGH"


def test_a_page_without_a_form_has_none() -> None:
    assert form_of("<h1>Something went wrong</h1>") is None


def test_a_shown_secret_is_read_with_and_without_blanks() -> None:
    assert secret_from_text("MFRG GZDF") == secret_from_text("mfrggzdf") == b"abcde"


def test_a_jar_keeps_changes_and_forgets_what_was_ended() -> None:
    jar = Jar("a=1; b=2")
    jar.keep(["a=3; Path=/; HttpOnly", "c=4", "b=; Max-Age=0"])
    assert jar.header == "a=3; c=4"
    jar.keep(["a=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "c=5; Max-Age=0"])
    assert jar.header == ""
