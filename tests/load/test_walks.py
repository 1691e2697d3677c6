"""What one connection does: each state machine against answers written by hand."""

import json
from typing import Any

import pytest

from load.generator.site import CHALLENGE, VERIFIER, Site
from load.generator.walks import DONE, MORE, AfterCode, Code, Login, Refresh, Repeat, Wrong
from load.generator.wire import Response

SITE = Site("localhost:1", "web", "gk_secret", "http://127.0.0.1:8011/callback")
TOKENS = {"access_token": "ga_1", "id_token": "x.y.z", "refresh_token": "gr_1"}
LOGIN_PAGE = """<form method="post" action="/login?interaction=i1">
<input type="hidden" name="interaction" value="i1"><input type="hidden" name="step" value="1">
<input name="username"><input name="password" type="password"></form>"""


def answer(status: int, body: Any = b"", **headers: str) -> Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()], raw)


def with_code(code: str) -> Response:
    return answer(303, location=f"{SITE.redirect_uri}?code={code}&state=s0")


def exchanged(walk: Code, tokens: dict[str, str]) -> Any:
    assert walk.next().startswith(b"GET /authorize?")
    assert walk.take(with_code("gc_1")) is MORE
    assert b"code=gc_1" in walk.next()
    return walk.take(answer(200, tokens))


def test_a_code_walk_asks_for_a_code_with_its_cookies_and_exchanges_it_with_the_proof() -> None:
    walk = Code(SITE, "gh_session_default=gs_1")
    asked = walk.next()
    assert b"\r\nCookie: gh_session_default=gs_1\r\n" in asked
    assert f"code_challenge={CHALLENGE}".encode() in asked
    assert walk.take(with_code("gc_1")) is MORE
    exchange = walk.next()
    assert exchange.startswith(b"POST /token ")
    assert f"code_verifier={VERIFIER}".encode() in exchange
    assert walk.take(answer(200, TOKENS)) is DONE
    assert walk.next().startswith(b"GET /authorize?")


@pytest.mark.parametrize("missing", sorted(TOKENS))
def test_an_exchange_without_one_of_its_tokens_is_wrong(missing: str) -> None:
    tokens = {name: value for name, value in TOKENS.items() if name != missing}
    assert exchanged(Code(SITE, ""), tokens) == Wrong(f"token: no {missing}")


def test_the_same_access_token_twice_is_wrong() -> None:
    walk = Code(SITE, "")
    assert exchanged(walk, TOKENS) is DONE
    assert isinstance(exchanged(walk, TOKENS), Wrong)


@pytest.mark.parametrize(
    "response",
    [answer(303, location="/login?interaction=i1"), answer(200), answer(303, location="http://evil.example/?code=x")],
    ids=["the sign-in page", "a page", "somebody else's address"],
)
def test_an_authorization_without_a_code_is_wrong(response: Response) -> None:
    walk = Code(SITE, "")
    walk.next()
    assert isinstance(walk.take(response), Wrong)


def test_a_spent_code_must_be_refused() -> None:
    walk = Code(SITE, "")
    assert walk.replays() == []
    exchanged(walk, TOKENS)
    [(replay, judge)] = walk.replays()
    assert b"code=gc_1" in replay
    assert judge(answer(400, {"error": "invalid_grant"})) is None
    assert judge(answer(200, TOKENS)) == Wrong("a replay was answered 200")
    assert judge(answer(400, {"error": "invalid_client"})) == Wrong("a replay was answered 400 invalid_client")


def test_a_walk_after_a_code_is_primed_by_it_and_uses_its_tokens() -> None:
    walk = AfterCode(Code(SITE, ""), lambda tokens: Refresh(SITE, tokens))
    assert not walk.primed
    walk.next()
    walk.take(with_code("gc_1"))
    walk.take(answer(200, TOKENS))
    assert walk.primed
    assert b"refresh_token=gr_1" in walk.next()
    assert walk.take(answer(200, {"access_token": "ga_2", "refresh_token": "gr_2"})) is DONE
    assert b"refresh_token=gr_2" in walk.next()


def test_a_refresh_that_does_not_rotate_is_wrong() -> None:
    walk = Refresh(SITE, TOKENS)
    walk.next()
    assert walk.take(answer(200, {"access_token": "ga_2", "refresh_token": "gr_1"})) == Wrong(
        "token: the refresh token did not rotate"
    )


def test_a_forged_refresh_token_must_be_refused() -> None:
    walk = Refresh(SITE, {**TOKENS, "refresh_token": "gr_" + "A" * 60})
    [(replay, judge)] = walk.replays()
    assert b"gr_" + b"A" * 60 not in replay
    assert judge(answer(400, {"error": "invalid_grant"})) is None


def test_a_repeat_deals_its_requests_in_turn_and_stamps_each_once() -> None:
    walk = Repeat([b"a-########", b"b-########"], stamp=b"########")
    assert [walk.next() for _ in range(3)] == [b"a-00000001", b"b-00000002", b"a-00000003"]


@pytest.mark.parametrize(
    ("response", "right"),
    [
        (answer(200, b'{"active":true}'), True),
        (answer(200, b'{"active":false}'), False),
        (answer(503, b'{"active":true}'), False),
    ],
)
def test_a_repeat_judges_status_and_body(response: Response, right: bool) -> None:
    walk = Repeat([b"x"], must_hold=b'"active":true')
    walk.next()
    assert (walk.take(response) is DONE) is right


def test_a_repeat_that_must_differ_sees_the_same_body_twice() -> None:
    walk = Repeat([b"x"], differs=True)
    assert walk.take(answer(200, b"one")) is DONE
    assert walk.take(answer(200, b"one")) == Wrong("the same body twice")
    assert walk.take(answer(200, b"two")) is DONE


def login() -> Login:
    return Login(lambda _: SITE, [("ada", "pass word", "198.18.0.1"), ("bob", "b", "198.18.0.2")])


def test_a_login_walk_fills_in_the_page_with_its_hidden_fields_and_cookies() -> None:
    walk = login()
    walk.next()
    assert walk.take(answer(303, location="/login?interaction=i1", set_cookie="gh_browser_default=b1; Path=/")) is MORE
    assert b"gh_browser_default=b1" in walk.next()
    assert walk.take(answer(200, LOGIN_PAGE.encode())) is MORE
    sent = walk.next()
    assert sent.startswith(b"POST /login?interaction=i1 ")
    assert sent.endswith(b"interaction=i1&step=1&username=ada&password=pass+word")
    assert walk.take(with_code("gc_1")) is DONE
    assert b"gh_browser_default" not in walk.next()


def test_the_page_again_after_the_password_is_wrong() -> None:
    walk = login()
    walk.take(answer(200, LOGIN_PAGE.encode()))
    assert walk.take(answer(200, LOGIN_PAGE.encode())) == Wrong("sign-in: 200 again")


def test_a_code_without_a_password_is_wrong() -> None:
    assert login().take(with_code("gc_1")) == Wrong("a code without a password")


def test_no_word_of_a_wrong_answer_holds_a_token() -> None:
    walk = Refresh(SITE, TOKENS)
    wrong = walk.take(answer(400, {"error": "invalid_grant", "refresh_token": "gr_1"}))
    assert wrong == Wrong("token: 400 invalid_grant")
