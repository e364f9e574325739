"""One round with the client of openapi-python-client."""

import base64
import os
import secrets
from io import BytesIO

from openapi_python.api.auth import get_me, login, logout, refresh_tokens, register, update_my_avatar
from openapi_python.api.chats import create_chat, list_chats
from openapi_python.api.messages import list_messages, send_message
from openapi_python.api.users import list_users
from openapi_python.client import AuthenticatedClient, Client
from openapi_python.models import (
    Chat,
    ChatPage,
    ChatType,
    CreateGroup,
    CreatePrivateChat,
    ErrorDetail,
    Login,
    Message,
    MessagePage,
    NewSession,
    Refresh,
    Register,
    ReplaceAvatar,
    Role,
    SendMessage,
    TokenPair,
    User,
    UserPage,
)
from openapi_python.types import File

URL = os.environ["URL"]
PASSWORD = "nine-lives-2026"
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def new_name() -> str:
    return f"мурка_{secrets.token_hex(6)}"


def main() -> None:
    anonymous = Client(base_url=URL)
    username, other = new_name(), new_name()
    me = register.sync(client=anonymous, body=Register(username=username, password=PASSWORD))
    assert isinstance(me, NewSession) and me.user.username == username, me
    peer = register.sync(client=anonymous, body=Register(username=other, password=PASSWORD))
    assert isinstance(peer, NewSession), peer

    session = login.sync(client=anonymous, body=Login(username=username, password=PASSWORD))
    assert isinstance(session, NewSession), session
    client = AuthenticatedClient(base_url=URL, token=session.access)
    picture = ReplaceAvatar(avatar=File(BytesIO(PICTURE), "cat.png", "image/png"))
    user = update_my_avatar.sync(client=client, body=picture)
    assert isinstance(user, User) and user.avatar is not None, user

    private = create_chat.sync(client=client, body=CreatePrivateChat(type_="private", members=[peer.user.id]))
    assert isinstance(private, Chat) and private.peer and private.peer.username == other, private
    new = CreateGroup(type_="group", name="Кухня", members=[peer.user.id])
    group = create_chat.sync(client=client, body=new)
    assert isinstance(group, Chat) and group.type_ == ChatType.GROUP and group.my_role == Role.OWNER, group

    draft = SendMessage(content="Мяу!", client_id="1")
    message = send_message.sync(group.id, client=client, body=draft)
    assert isinstance(message, Message), message
    page = list_messages.sync(group.id, client=client, page_size=10)
    assert isinstance(page, MessagePage) and [one.id for one in page.results] == [message.id], page
    chats = list_chats.sync(client=client, type_=ChatType.GROUP, unread=False)
    assert isinstance(chats, ChatPage) and len(chats.results) == 1, chats
    users = list_users.sync(client=client, ids=[me.user.id, peer.user.id])
    assert isinstance(users, UserPage) and len(users.results) == 2, users

    tokens = refresh_tokens.sync(client=anonymous, body=Refresh(refresh=session.refresh))
    assert isinstance(tokens, TokenPair), tokens
    client = AuthenticatedClient(base_url=URL, token=tokens.access)
    assert logout.sync_detailed(client=client).status_code == 204
    refused = get_me.sync_detailed(client=client)
    assert refused.status_code == 401, refused
    assert isinstance(refused.parsed, ErrorDetail) and refused.parsed.code == "token_not_valid", refused


main()
