// One round with the client of @hey-api/openapi-ts.
import {
    createChat, getMe, listChats, listMessages, listUsers, login, logout, refreshTokens, register, sendMessage, updateMyAvatar,
} from "./hey_api";
import { client } from "./hey_api/client.gen";
import { assert, newName, password, picture, url } from "./world";

async function main(): Promise<void> {
    let access = "";
    client.setConfig({ baseUrl: url, auth: () => access, throwOnError: true });
    const throwOnError = true;
    const [username, other] = [newName(), newName()];
    const { data: me } = await register({ body: { username, password }, throwOnError });
    const { data: peer } = await register({ body: { username: other, password }, throwOnError });
    assert(me.user.username === username, "the name is kept");

    const { data: session } = await login({ body: { username, password }, throwOnError });
    access = session.access;
    const { data: user } = await updateMyAvatar({ body: { avatar: picture }, throwOnError });
    assert(user.avatar !== null, "there is an avatar");

    const members = [peer.user.id];
    const { data: privateChat } = await createChat({ body: { type: "private", members }, throwOnError });
    assert(privateChat.peer?.username === other, "the peer is the other user");
    const { data: group } = await createChat({ body: { type: "group", name: "Кухня", members }, throwOnError });
    assert(group.type === "group" && group.my_role === "owner", "the maker is the owner");

    const path = { id: group.id };
    const { data: message } = await sendMessage({ path, body: { content: "Мяу!", client_id: "1" }, throwOnError });
    const { data: page } = await listMessages({ path, query: { page_size: 10 }, throwOnError });
    assert(page.results.length === 1 && page.results[0]?.id === message.id, "the message is listed");
    const { data: unread } = await listChats({ query: { type: "group", unread: false }, throwOnError });
    assert(unread.results.length === 1, "nothing is unread");
    const { data: named } = await listUsers({ query: { ids: [me.user.id, peer.user.id] }, throwOnError });
    assert(named.results.length === 2, "both users are listed");

    const { data: tokens } = await refreshTokens({ body: { refresh: session.refresh }, throwOnError });
    access = tokens.access;
    await logout({ throwOnError });
    const { error, response } = await getMe({ throwOnError: false });
    assert(error !== undefined && response?.status === 401, "the token is dead");
    assert(error.code === "token_not_valid", "the error says why");
}

void main();
