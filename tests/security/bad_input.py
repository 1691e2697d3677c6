"""Bodies and queries that mean nothing, or two things, or too much."""

from __future__ import annotations

from dataclasses import dataclass, field

KIB = 1024
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


@dataclass(frozen=True)
class Bad:
    """One bad request. `announced` bytes are said to follow, and are not sent: whoever refuses need not read them."""

    name: str
    query: bytes = b""
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    announced: int = 0


def queries(known: str) -> list[Bad]:
    """`known`: a parameter the endpoint reads, if it reads any."""
    name = (known or "state").encode()
    return [
        Bad("a broken escape", name + b"=%zz"),
        Bad("an escape cut short", name + b"=%4"),
        Bad("bytes that are not UTF-8", name + b"=%ff%fe"),
        Bad("a NUL", name + b"=a%00b"),
        Bad("a NUL in a name", b"a%00b=1"),
        Bad("a parameter twice", name + b"=1&" + name + b"=2"),
        Bad("a name without a value", b"=1"),
        Bad("a thousand parameters", b"&".join(b"p%d=1" % number for number in range(1000))),
        Bad("8 KiB of one value", name + b"=" + b"a" * 8 * KIB),
        Bad("markup", name + b"=%3Cscript%3Ealert(1)%3C/script%3E%22%27%0d%0aX-Injected:%201"),
        Bad("a statement", name + b"=%27%3B%20DROP%20TABLE%20authz.client%3B--"),
        Bad("63 KiB of a query", name + b"=" + b"a" * 63 * KIB),
    ]


def forms(good: bytes) -> list[Bad]:
    """Bad forms round a good one."""
    name = good.partition(b"=")[0]
    typed = {"Content-Type": FORM}
    return [
        Bad("no body and no type"),
        Bad("a form without a type", body=good),
        Bad("a form that says it is JSON", body=good, headers={"Content-Type": JSON}),
        Bad("a form that says it is text", body=good, headers={"Content-Type": "text/plain"}),
        Bad(
            "a form in parts",
            body=b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n',
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        ),
        Bad("a form in another encoding", body=good, headers={"Content-Type": f"{FORM}; charset=utf-16"}),
        Bad("a form that says it is compressed", body=good, headers=typed | {"Content-Encoding": "gzip"}),
        Bad("a broken escape", body=good + b"&x=%zz", headers=typed),
        Bad("bytes that are not UTF-8", body=good + b"&x=%ff", headers=typed),
        Bad("raw bytes that are not UTF-8", body=good + b"&x=\xff\xfe", headers=typed),
        Bad("a NUL", body=good + b"&x=%00", headers=typed),
        Bad("a raw NUL", body=good + b"&x=a\x00b", headers=typed),
        Bad("a parameter twice", body=good + b"&" + name + b"=again", headers=typed),
        Bad("an unknown parameter twice", body=good + b"&x=1&x=2", headers=typed),
        Bad("a name without a name", body=good + b"&=1", headers=typed),
        Bad("a thousand parameters", body=b"&".join(b"p%d=1" % n for n in range(1000)), headers=typed),
        Bad("64 KiB and more", body=good + b"&x=" + b"a" * 64 * KIB, headers=typed),
        Bad("a megabyte and more", headers=typed, announced=1024 * KIB + 1),
        Bad("a terabyte", headers=typed, announced=1024**4),
    ]


def documents(media_type: str) -> list[Bad]:
    """Bad JSON."""
    typed = {"Content-Type": media_type}
    good = b'{"schemas": []}'
    return [
        Bad("no body", headers=typed),
        Bad("JSON that says it is a form", body=good, headers={"Content-Type": FORM}),
        Bad("JSON that says it is text", body=good, headers={"Content-Type": "text/plain"}),
        Bad("JSON without a type", body=good),
        Bad("JSON that says it is compressed", body=good, headers=typed | {"Content-Encoding": "gzip"}),
        Bad("no JSON", body=b"{", headers=typed),
        Bad("a list", body=b"[]", headers=typed),
        Bad("a string", body=b'"x"', headers=typed),
        Bad("nothing", body=b"null", headers=typed),
        Bad("a number that is none", body=b'{"schemas": NaN}', headers=typed),
        Bad("a number without end", body=b'{"x": 1e99999}', headers=typed),
        Bad("a key twice", body=b'{"schemas": [], "schemas": []}', headers=typed),
        Bad("bytes that are not UTF-8", body=b'{"x": "\xff"}', headers=typed),
        Bad("UTF-16", body='{"x": 1}'.encode("utf-16"), headers=typed),
        Bad("a NUL in a value", body=b'{"schemas": ["a\\u0000b"]}', headers=typed),
        Bad("half a character", body=b'{"schemas": ["\\ud800"]}', headers=typed),
        Bad("a hundred thousand brackets", body=b"[" * 100_000, headers=typed),
        Bad("deep objects", body=b'{"a":' * 5_000 + b"1" + b"}" * 5_000, headers=typed),
        Bad("wrong types everywhere", body=b'{"schemas": 1, "selector": [], "userName": {}, "x": true}', headers=typed),
        Bad("empty", body=b"{}", headers=typed),
        Bad("a megabyte and more", headers=typed, announced=1024 * KIB + 1),
        Bad("a terabyte", headers=typed, announced=1024**4),
    ]


PATH_VALUES = (
    b"%00",
    b"%ff",
    b"..%2f..%2fetc%2fpasswd",
    b"%27%20OR%201%3D1",
    b"a" * 2000,
    b"00000000-0000-0000-0000-00000000000g",
    b"%3Cscript%3E",
    b"%0d%0aX-Injected:1",
)
