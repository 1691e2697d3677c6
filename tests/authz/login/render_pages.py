"""Writes every page of the sign-in with sample data as HTML files, to be looked at: `python render_pages.py FOLDER`."""

import sys
from pathlib import Path

from authz.pages.render import PageSet
from authz.protocol.consent import in_words

_OTPAUTH = "otpauth://totp/Acme%20Corp:ada%40example.com?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Acme%20Corp"
_FORM = {
    "tenant": "Acme Corp",
    "base": "",
    "action": "/login",
    "interaction": "interaction",
    "step": 1,
    "restart": "/authorize",
}
_ERROR = {"tenant": "Acme Corp", "base": "", "way_on": None, "way_on_text": "", "advice": "", "code": None}

SAMPLES: dict[str, tuple[str, dict[str, object]]] = {
    "login": ("login", {**_FORM, "client": "Harbour Payroll", "username": "", "error": None}),
    "login_error": (
        "login",
        {
            **_FORM,
            "client": "Harbour Payroll",
            "username": "ada@example.com",
            "error": "That user name and password do not match. Try again.",
        },
    ),
    "enroll": (
        "enroll",
        {
            **_FORM,
            "username": "ada@example.com",
            "secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
            "otpauth": _OTPAUTH,
            "error": None,
        },
    ),
    "totp": ("totp", {**_FORM, "username": "ada@example.com", "error": None}),
    "totp_error": (
        "totp",
        {
            **_FORM,
            "username": "ada@example.com",
            "error": "That code is not right, or was used before. Wait for the next one.",
        },
    ),
    "consent": (
        "consent",
        {
            **_FORM,
            "client": "Harbour Payroll",
            "username": "ada@example.com",
            "scopes": in_words(("openid", "profile", "email", "offline_access")),
            "destination": "payroll.harbour.example",
            "policy_uri": "https://payroll.harbour.example/privacy",
            "tos_uri": "https://payroll.harbour.example/terms",
        },
    ),
    "logout": ("logout", {**_FORM, "client": "Harbour Payroll", "fields": [("confirm", "x")]}),
    "signed_out": ("signed_out", _FORM),
    "error": (
        "error",
        {
            **_ERROR,
            "what": "This request cannot be answered.",
            "why": "The application sent an address that is not registered for it.",
            "advice": "Go back to the application and try again. If it keeps happening, tell the people who run it.",
            "code": "invalid_request",
        },
    ),
    "error_stale": (
        "error",
        {
            **_ERROR,
            "what": "This page was used already.",
            "why": "Your sign-in went on in the meantime.",
            "way_on": "/login",
            "way_on_text": "Go on with it",
        },
    ),
    "throttled": (
        "error",
        {
            **_ERROR,
            "what": "Too many attempts.",
            "why": "To keep this account safe, please wait 30 seconds before you try again.",
            "way_on": "/login",
            "way_on_text": "Try again",
        },
    ),
    "unavailable": (
        "error",
        {
            **_ERROR,
            "what": "We cannot sign you in right now.",
            "why": "This is on our side and usually passes within seconds.",
            "advice": "Please wait a moment, then reload this page.",
        },
    ),
}


def write_pages(folder: Path) -> None:
    """One HTML file a sample; the stylesheet beside them."""
    pages = PageSet()
    folder.mkdir(parents=True, exist_ok=True)
    for name, (template, values) in SAMPLES.items():
        html = pages.render(template, values).decode().replace('"/static/', '"static/')
        (folder / f"{name}.html").write_text(html, "utf-8")
    for name, file in pages._static.items():
        (folder / "static").mkdir(exist_ok=True)
        (folder / "static" / name).write_bytes(file.body)


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
