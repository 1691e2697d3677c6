"""Forms and query strings without duplicates: what is well-formed is read, anything else is a fault."""

from collections.abc import Sequence
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from identity_core.testing.spec import spec
from identity_core.web.forms import MAX_FIELDS, Form, FormFault, form_without_duplicates, query_without_duplicates

FORM = "application/x-www-form-urlencoded"


def request(body: bytes | Sequence[bytes], content_type: str | None = FORM, **headers: str) -> Request:
    chunks = [body] if isinstance(body, bytes) else list(body)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if content_type is not None:
        sent["content-type"] = content_type
    messages = iter(
        [
            {"type": "http.request", "body": chunk, "more_body": number < len(chunks) - 1}
            for number, chunk in enumerate(chunks)
        ]
    )

    async def receive() -> dict[str, object]:
        return next(messages, {"type": "http.disconnect"})

    raw = [(name.encode(), value.encode()) for name, value in sent.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": raw}, receive)


async def read(body: bytes, repeatable: frozenset[str] = frozenset()) -> Form | FormFault:
    return await form_without_duplicates(request(body), repeatable=repeatable)


async def test_a_form_is_read_and_decoded() -> None:
    form = await read(b"grant_type=authorization_code&redirect_uri=https%3A%2F%2Fa%2F%3fb&scope=a+b%2Bc&e=%C3%A9")
    assert dict(form) == {  # type: ignore[arg-type]
        "grant_type": "authorization_code",
        "redirect_uri": "https://a/?b",
        "scope": "a b+c",
        "e": "é",
    }


@spec("RFC 6749 §3.2")
async def test_a_parameter_given_twice_is_a_fault() -> None:
    assert await read(b"code=1&code=1") == FormFault("duplicate", "code is given more than once")


@spec("RFC 6749 §3.1")
async def test_a_parameter_without_a_value_is_as_if_omitted_but_still_counts_as_given() -> None:
    form = await read(b"state=&scope")
    assert dict(form) == {}  # type: ignore[arg-type]
    assert isinstance(await read(b"state=&state=x"), FormFault)


@spec("RFC 8707 §2")
async def test_a_repeatable_parameter_keeps_every_value_in_order() -> None:
    form = await read(b"resource=https://b&resource=https://a", frozenset({"resource"}))
    assert isinstance(form, Form)
    assert form.all("resource") == ("https://b", "https://a")
    assert form["resource"] == "https://b"
    assert form.all("audience") == ()


@pytest.mark.parametrize(
    "body",
    [
        b"a=%",
        b"a=%4",
        b"a=%zz",
        b"a=%u0041",
        b"%=1",
        b"a=%ff",
        b"a=\xff",
        b"a=%00",
        b"a=\x00",
        b"=x",
        b"a=%C3",
        b"a=%ED%A0%80",
    ],
)
async def test_ill_formed_data_is_a_fault(body: bytes) -> None:
    fault = await read(body)
    assert isinstance(fault, FormFault)
    assert (fault.kind, fault.status) == ("malformed", 400)


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "application/json",
        "multipart/form-data; boundary=x",
        "text/plain",
        f"{FORM}; charset=utf-16",
        f"x{FORM}",
    ],
)
async def test_only_urlencoded_utf8_is_a_form(content_type: str | None) -> None:
    fault = await form_without_duplicates(request(b"a=1", content_type))
    assert isinstance(fault, FormFault)
    assert (fault.kind, fault.status) == ("media_type", 415)


@pytest.mark.parametrize("content_type", [f"{FORM}; charset=UTF-8", FORM.upper(), f'{FORM};charset="utf-8"'])
async def test_the_charset_utf8_may_be_named(content_type: str) -> None:
    assert isinstance(await form_without_duplicates(request(b"a=1", content_type)), Form)


async def test_a_compressed_form_is_a_fault() -> None:
    fault = await form_without_duplicates(request(b"a=1", content_encoding="gzip"))
    assert isinstance(fault, FormFault)


@pytest.mark.parametrize(
    ("chunks", "headers"),
    [
        ([b"a=" + b"x" * 200], {}),
        ([b"a=", *[b"x" * 20] * 10], {}),
        ([b"a=1"], {"content_length": "101"}),
    ],
)
async def test_a_form_over_the_limit_is_refused_by_count_and_by_declaration(
    chunks: list[bytes], headers: dict[str, str]
) -> None:
    fault = await form_without_duplicates(request(chunks, **headers), limit=100)
    assert isinstance(fault, FormFault)
    assert (fault.kind, fault.status) == ("too_large", 413)


@pytest.mark.parametrize("length", ["-1", "1.5", "1, 1", "٣", "9" * 40])
async def test_a_content_length_that_is_no_number_is_a_fault(length: str) -> None:
    fault = await form_without_duplicates(request(b"a=1", content_length=length))
    assert isinstance(fault, FormFault)
    assert fault.kind == "malformed"


async def test_a_form_that_breaks_off_is_a_fault() -> None:
    broken = request([])
    fault = await form_without_duplicates(broken)
    assert isinstance(fault, FormFault)
    assert fault.kind == "disconnected"


async def test_too_many_parameters_are_a_fault() -> None:
    fault = await read(b"&".join(b"p%d=1" % number for number in range(MAX_FIELDS + 1)))
    assert isinstance(fault, FormFault)
    assert fault.kind == "too_many_fields"


async def test_faults_and_forms_show_no_values_and_no_strange_names() -> None:
    fault = await read(b"%3Cscript%3E=1&%3Cscript%3E=hunter2")
    assert fault == FormFault("duplicate", "a parameter is given more than once")
    assert repr(await read(b"password=hunter2")) == "Form(password)"


def test_a_query_follows_the_same_rules() -> None:
    query = query_without_duplicates({"query_string": b"state=x&scope=a%20b"})
    assert isinstance(query, Form)
    assert query["scope"] == "a b"
    assert isinstance(query_without_duplicates(b"state=x&state=y"), FormFault)
    assert isinstance(query_without_duplicates(b"a=%f"), FormFault)
    both = query_without_duplicates(b"resource=a&resource=b", repeatable=frozenset({"resource"}))
    assert isinstance(both, Form)
    assert both.all("resource") == ("a", "b")
    assert isinstance(query_without_duplicates(b"a=" + b"x" * 70_000), FormFault)


texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1)


@given(st.dictionaries(texts, texts, max_size=20))
def test_whatever_a_browser_encodes_is_read_back(fields: dict[str, str]) -> None:
    form = query_without_duplicates(urlencode(fields).encode())
    assert isinstance(form, Form)
    assert dict(form) == fields


@given(st.binary(max_size=200))
def test_any_bytes_are_a_form_or_a_fault(raw: bytes) -> None:
    parsed = query_without_duplicates(raw)
    if isinstance(parsed, Form):
        assert all(value and "\x00" not in value for value in parsed.values())
