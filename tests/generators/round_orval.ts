// One round with orval's client. Its zod schemas validate what is sent and what is answered.
import {
    createChat, getMe, listChats, listMessages, listUsers, login, logout, refreshTokens, register, sendMessage, updateMyAvatar,
} from "./orval/client";
import * as schemas from "./orval/schemas";
import { assert, newName, password, picture } from "./world";

async function main(): Promise<void> {
    const [username, other] = [newName(), newName()];
    const open = async (username: string) => {
        const answer = await register(schemas.RegisterBody.parse({ username, password }));
        assert(answer.status === 201, "registered");
        return schemas.RegisterResponse.parse(answer.data);
    };
    const [me, peer] = [await open(username), await open(other)];
    assert(me.user.username === username, "the name is kept");

    const loggedIn = await login({ username, password });
    assert(loggedIn.status === 200, "logged in");
    const session = schemas.LoginResponse.parse(loggedIn.data);
    let options = { headers: { Authorization: `Bearer ${session.access}` } };
    const uploaded = await updateMyAvatar({ avatar: picture }, options);
    assert(uploaded.status === 200, "uploaded");
    assert(schemas.UpdateMyAvatarResponse.parse(uploaded.data).avatar !== null, "there is an avatar");

    const members = [peer.user.id];
    const opened = await createChat({ type: "private", members }, options);
    assert(opened.status === 201, "created");
    assert(schemas.CreateChatResponse.parse(opened.data).peer?.username === other, "the peer is the other user");
    const made = await createChat(schemas.CreateChatBody.parse({ type: "group", name: "Кухня", members }), options);
    assert(made.status === 201, "created");
    const group = schemas.CreateChatResponse.parse(made.data);
    assert(group.type === "group" && group.my_role === "owner", "the maker is the owner");

    const sent = await sendMessage(group.id, { content: "Мяу!", client_id: "1" }, options);
    assert(sent.status === 201, "sent");
    const message = schemas.SendMessageResponse.parse(sent.data);
    const listed = await listMessages(group.id, { page_size: 10 }, options);
    assert(listed.status === 200, "listed");
    const page = schemas.ListMessagesResponse.parse(listed.data);
    assert(page.results.length === 1 && page.results[0]?.id === message.id, "the message is listed");
    const unread = await listChats({ type: "group", unread: false }, options);
    assert(unread.status === 200, "listed");
    assert(schemas.ListChatsResponse.parse(unread.data).results.length === 1, "nothing is unread");
    const named = await listUsers({ ids: [me.user.id, peer.user.id] }, options);
    assert(named.status === 200, "listed");
    assert(schemas.ListUsersResponse.parse(named.data).results.length === 2, "both users are listed");

    const refreshed = await refreshTokens({ refresh: session.refresh });
    assert(refreshed.status === 200, "refreshed");
    options = { headers: { Authorization: `Bearer ${schemas.RefreshTokensResponse.parse(refreshed.data).access}` } };
    assert((await logout(options)).status === 204, "logged out");
    const refused = await getMe(options);
    assert(refused.status === 401, "the token is dead");
    assert(refused.data.code === "token_not_valid", "the error says why");
}

void main();
