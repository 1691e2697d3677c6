"""The generator's HTTP: requests as bytes, responses however they are cut."""

import pytest

from load.generator.wire import FORM, Response, ResponseReader, WireFault, basic, form, request

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-One: a\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 303 See Other\r\nTransfer-Encoding: chunked\r\nLocation: /x\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
)
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"


def read(pieces: list[bytes]) -> list[Response]:
    reader = ResponseReader()
    return [response for piece in pieces for response in reader.feed(piece)]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_responses_are_read_however_they_are_cut(size: int) -> None:
    stream = PLAIN + CHUNKED + EMPTY + PLAIN
    responses = read([stream[start : start + size] for start in range(0, len(stream), size)])
    assert [(response.status, response.body) for response in responses] == [
        (200, b"hello"),
        (303, b"abcde"),
        (204, b""),
        (200, b"hello"),
    ]
    assert responses[1].header(b"location") == b"/x"


def test_headers_do_not_leak_into_the_next_response() -> None:
    first, second = read([PLAIN + CHUNKED])
    assert first.header(b"x-one") == b"a"
    assert second.header(b"x-one") is None


def test_an_interim_answer_is_no_answer() -> None:
    assert [response.status for response in read([INTERIM + PLAIN])] == [200]


def test_an_unfinished_response_is_not_given_out() -> None:
    assert read([PLAIN[:-1]]) == []


def test_what_is_no_http_is_a_fault() -> None:
    with pytest.raises(WireFault):
        read([b"SSH-2.0-OpenSSH_9.2\r\n"])


def test_a_request_goes_out_as_it_is_written() -> None:
    assert request("GET", "/a?b=c", "localhost:1", {"Cookie": "x=y"}) == (
        b"GET /a?b=c HTTP/1.1\r\nHost: localhost:1\r\nCookie: x=y\r\n\r\n"
    )


def test_a_post_says_its_length_even_without_a_body() -> None:
    assert b"\r\nContent-Length: 0\r\n" in request("POST", "/", "h")
    body = form({"a b": "c&d"})
    made = request("POST", "/", "h", {"Content-Type": FORM}, body)
    assert made.endswith(b"\r\nContent-Length: 9\r\n\r\na+b=c%26d")


def test_a_line_break_in_a_header_is_refused() -> None:
    with pytest.raises(WireFault):
        request("GET", "/", "h", {"X": "a\r\nY: b"})


def test_client_credentials_are_form_encoded_before_base64() -> None:
    assert basic("a:b", "c d") == "Basic YSUzQWI6YyUyMGQ="
