"""How schemathesis gets in (see scripts/fuzz-api). The fuzzer may log out, end its own session, change its name or end
its account: all of these are tried as well. So a token is looked at before it is used, and where it is dead, somebody
new comes, with chats and messages to be found."""

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
    """A new user's token; the user is in a private chat and a group, with a message of either side in each."""
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


@schemathesis.hook
def filter_case(context, case):
    """A form has nothing but texts. A wrong type in it is no fault that anybody could see: the text `null` is a name."""
    wrong = case.meta is not None and case.meta.generation.mode.is_negative
    if not wrong or case.media_type != "multipart/form-data" or not isinstance(case.body, dict):
        return True
    return all(isinstance(value, (str, bytes)) for value in case.body.values())
