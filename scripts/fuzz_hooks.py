"""Authentication for schemathesis (see scripts/fuzz-api). The fuzzer also logs out, ends its session, changes its name and
deletes its account. So the token is verified before each use. If it is invalid, a new user registers, with chats and
messages for the fuzzer to find."""

import itertools

import requests
import schemathesis

PASSWORD = "nine-lives-2026"
NUMBERS = itertools.count(1)


def call(base, path, body, token=None):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = requests.post(base + path, json=body, headers=headers, timeout=30)
    answer.raise_for_status()
    return answer.json()


def register(base):
    name = {"username": f"fuzzer{next(NUMBERS)}.{id(NUMBERS)}", "password": PASSWORD}
    session = call(base, "/api/auth/register/", name)
    return session["user"]["id"], session["access"]


def settle(base):
    """Returns a new user's token. The user is a member of a private chat and a group, each with messages of both sides."""
    (me, token), (friend, other) = register(base), register(base)
    for chat in (
        {"type": "private", "members": [friend]},
        {"type": "group", "name": "Kitchen", "members": [friend]},
    ):
        chat = call(base, "/api/chats/", chat, token)["id"]
        for sender in (token, other):
            call(base, f"/api/chats/{chat}/messages/", {"content": "meow"}, sender)
    return token


@schemathesis.auth(refresh_interval=None)
class Alive:
    token = None

    def get(self, case, context):
        base = case.operation.base_url.rstrip("/")
        verify = f"{base}/api/auth/verify/"
        if not (Alive.token and requests.post(verify, json={"token": Alive.token}, timeout=30).ok):
            Alive.token = settle(base)
        return Alive.token

    def set(self, case, token, context):
        case.headers["Authorization"] = f"Bearer {token}"


# The largest integer that the document allows. Where the server accepts larger ones, they mean the same as this one.
LARGEST = 2**53 - 1


def is_larger(value):
    if isinstance(value, dict):
        return any(map(is_larger, value.values()))
    if isinstance(value, list):
        return any(map(is_larger, value))
    try:
        return not isinstance(value, bool) and abs(float(value)) > LARGEST
    except (TypeError, ValueError, OverflowError):
        return False


def is_accepted_on_purpose(case):
    """Whether a request may succeed although the document forbids it: a wrong `page_size` and empty parameters are
    ignored, as in Django REST Framework, a flag may be `1` or `True`, `ids` may repeat an id, and fields that the caller
    may not set are ignored."""
    query = case.query or {}
    body = case.body if isinstance(case.body, dict) else {}
    return (
        not {"page_size", "unread", "ids"}.isdisjoint(query)
        or "" in query.values()
        or is_larger(query)
        or is_larger(body)
        or any(not isinstance(body.get(flag, False), bool) for flag in ("is_active", "is_staff"))
    )


@schemathesis.hook
def filter_case(context, case):
    wrong = case.meta is not None and case.meta.generation.mode.is_negative
    if wrong and is_accepted_on_purpose(case):
        return False
    # Form fields are always strings, so a wrong type cannot be recognised in them: the string `null` is a valid name.
    if not wrong or case.media_type != "multipart/form-data" or not isinstance(case.body, dict):
        return True
    return all(isinstance(value, (str, bytes)) for value in case.body.values())


@schemathesis.hook
def after_call(context, case, response):
    """A file has the media type of its content; the document can only say that it is one."""
    if case.operation.path == "/api/attachments/{id}/" and case.method == "GET" and response.status_code in (200, 206):
        response.headers["content-type"] = ["application/octet-stream"]
