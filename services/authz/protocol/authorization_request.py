"""The authorization request: what is asked for, once every rule about its form has been applied.

In two parts, because of where a refusal may go (RFC 6749 §4.1.2.1): `parse_answer_address` finds out which client asks
and where its answer goes (a refusal is shown on a page, never redirected), `parse_request` judges the rest (a refusal
travels to that address). Parameters that are not known here are ignored (RFC 6749 §3.1); a known one that is not
supported is refused, never silently dropped (OIDC Core §6.1, §6.2, §7.2.1).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from authz.protocol.audience import OwnApis, user_resource_fault
from authz.protocol.errors import OAuthError, invalid_request
from authz.protocol.prompt import CONSENT, NONE, parse_max_age, parse_prompt
from authz.protocol.redirect_uri import choose_redirect_uri
from authz.protocol.scope import OPENID, allowed_scopes, parse_scope

MAX_PARAMETER: Final = 4096
_UNBOUNDED: Final = frozenset({"id_token_hint"})

# 43 characters are the base64url of a SHA-256, the only method there is (RFC 7636 §4.2, RFC 9700 §2.1.1).
_S256_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_NOT_SUPPORTED: Final = (
    ("request", "request_not_supported", "request objects are not supported"),
    ("request_uri", "request_uri_not_supported", "request_uri is not supported"),
    ("registration", "registration_not_supported", "the registration parameter is not supported"),
)


@dataclass(frozen=True, slots=True)
class AnswerAddress:
    """Where answers go. `given`: whether the request named it (the token request must then repeat it)."""

    redirect_uri: str
    given: bool


@dataclass(frozen=True, slots=True)
class RequestRules:
    """What the client's registration says: its scopes, whether a PKCE challenge must come (RFC 9700 §2.1.1), and the
    `max_age` where the request has none (OIDC Registration §2). `apis`: ours, which no person grants access to."""

    scopes: frozenset[str]
    require_pkce: bool
    apis: OwnApis
    default_max_age: int | None = None


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A well-formed request. `scopes`: what was asked for and this client may have, in the order asked.

    `hint_subject` is the subject of a verified `id_token_hint`, verified by the caller.
    """

    client_id: str
    redirect_uri: str
    redirect_uri_given: bool
    scopes: tuple[str, ...]
    state: str | None = None
    nonce: str | None = None
    code_challenge: str | None = None
    prompts: frozenset[str] = frozenset()
    max_age: int | None = None
    login_hint: str | None = None
    acr_values: tuple[str, ...] = ()
    resource: tuple[str, ...] = ()
    hint_subject: str | None = None

    @property
    def silent(self) -> bool:
        """`prompt=none`: no page may be shown."""
        return NONE in self.prompts

    @property
    def asks_consent(self) -> bool:
        """`prompt=consent`."""
        return CONSENT in self.prompts


def parse_answer_address(
    params: Mapping[str, str], registered: tuple[str, ...], application_type: str
) -> AnswerAddress | OAuthError:
    """Where the answer goes (RFC 6749 §3.1.2.3). OpenID Connect requires the parameter (OIDC Core §3.1.2.1)."""
    presented = params.get("redirect_uri")
    if presented is None and OPENID in params.get("scope", "").split(" "):
        return invalid_request("the redirect_uri is missing")
    chosen = choose_redirect_uri(registered, presented, application_type)
    return chosen if isinstance(chosen, OAuthError) else AnswerAddress(chosen, presented is not None)


def parse_request(
    params: Mapping[str, str], resources: Sequence[str], address: AnswerAddress, rules: RequestRules
) -> AuthorizationRequest | OAuthError:
    """The request, or the first rule it breaks. `resources`: every value of `resource` (RFC 8707 §2)."""
    refusal = _unsupported(params) or _response_fault(params) or _challenge_fault(params, rules)
    if refusal:
        return refusal
    prompts = parse_prompt(params.get("prompt"))
    if isinstance(prompts, OAuthError):
        return prompts
    max_age = parse_max_age(params.get("max_age"))
    if isinstance(max_age, OAuthError):
        return max_age
    scopes = parse_scope(params.get("scope"))
    if isinstance(scopes, OAuthError):
        return scopes
    target = user_resource_fault(resources, rules.apis)
    if target is not None:
        return target
    return AuthorizationRequest(
        client_id=params["client_id"],
        redirect_uri=address.redirect_uri,
        redirect_uri_given=address.given,
        scopes=allowed_scopes(scopes, rules.scopes),
        state=params.get("state"),
        nonce=params.get("nonce"),
        code_challenge=params.get("code_challenge"),
        prompts=prompts,
        max_age=rules.default_max_age if max_age is None else max_age,
        login_hint=params.get("login_hint"),
        acr_values=tuple(params.get("acr_values", "").split()),
        resource=tuple(dict.fromkeys(resources)),
    )


def parameters_of(request: AuthorizationRequest, *, prompt: str | None = None) -> tuple[tuple[str, str | None], ...]:
    """The request as parameters again, for a link that starts it over; `prompt` takes the place of its own."""
    return (
        ("response_type", "code"),
        ("client_id", request.client_id),
        ("redirect_uri", request.redirect_uri if request.redirect_uri_given else None),
        ("scope", " ".join(request.scopes) or None),
        ("state", request.state),
        ("nonce", request.nonce),
        ("code_challenge", request.code_challenge),
        ("code_challenge_method", "S256" if request.code_challenge else None),
        ("prompt", prompt or " ".join(sorted(request.prompts)) or None),
        ("max_age", None if request.max_age is None else str(request.max_age)),
        ("login_hint", request.login_hint),
        ("acr_values", " ".join(request.acr_values) or None),
        *(("resource", uri) for uri in request.resource),
    )


def with_parameters(uri: str, params: Iterable[tuple[str, str | None]]) -> str:
    """`uri` with `params` added to its query; None is left out (RFC 6749 §3.1.2: a given query is kept)."""
    added = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in params if value is not None)
    if not added:
        return uri
    if "?" not in uri:
        return f"{uri}?{added}"
    return f"{uri}{added}" if uri.endswith(("?", "&")) else f"{uri}&{added}"


def _unsupported(params: Mapping[str, str]) -> OAuthError | None:
    for name, error, description in _NOT_SUPPORTED:
        if name in params:
            return OAuthError(error, description)
    long = next((n for n, v in params.items() if len(v) > MAX_PARAMETER and n not in _UNBOUNDED), None)
    return invalid_request("a parameter is too long") if long is not None else None


def _response_fault(params: Mapping[str, str]) -> OAuthError | None:
    response_type = params.get("response_type")
    if response_type is None:
        return invalid_request("the response_type is missing")
    if response_type != "code":
        return OAuthError("unsupported_response_type", "the only response_type is code")
    if params.get("response_mode", "query") != "query":
        return invalid_request("the only response_mode is query")
    return None


def _challenge_fault(params: Mapping[str, str], rules: RequestRules) -> OAuthError | None:
    challenge, method = params.get("code_challenge"), params.get("code_challenge_method")
    if challenge is None:
        if rules.require_pkce:
            return invalid_request("a code_challenge is required (PKCE, S256)")
        return invalid_request("code_challenge_method without code_challenge") if method else None
    # A missing method means `plain` (RFC 7636 §4.3), which is not offered.
    if method != "S256":
        return invalid_request("the only code_challenge_method is S256")
    return None if _S256_CHALLENGE.fullmatch(challenge) else invalid_request("the code_challenge is malformed")
