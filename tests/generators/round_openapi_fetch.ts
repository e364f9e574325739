// One round with openapi-fetch and the types of openapi-typescript.
import createClient from "openapi-fetch";
import type { paths } from "./openapi_typescript/schema";
import { assert, newName, password, picture, present, url } from "./world";

async function main(): Promise<void> {
    const api = createClient<paths>({ baseUrl: url });
    const [username, other] = [newName(), newName()];
    const register = async (username: string) => {
        const { data, error } = await api.POST("/api/auth/register/", { body: { username, password } });
        return present(data, error).user;
    };
    const [me, peer] = [await register(username), await register(other)];
    assert(me.username === username, "the name is kept");

    const login = await api.POST("/api/auth/login/", { body: { username, password } });
    const session = present(login.data, login.error);
    let access = session.access;
    api.use({ onRequest: ({ request }) => request.headers.set("Authorization", `Bearer ${access}`) });

    const uploaded = await api.PUT("/api/auth/me/avatar/", {
        body: { avatar: picture },
        bodySerializer: ({ avatar }) => {
            const form = new FormData();
            form.set("avatar", avatar);
            return form;
        },
    });
    assert(present(uploaded.data, uploaded.error).avatar !== null, "there is an avatar");

    const opened = await api.POST("/api/chats/", { body: { type: "private", members: [peer.id] } });
    const privateChat = present(opened.data, opened.error);
    assert(privateChat.peer?.username === other, "the peer is the other user");
    const made = await api.POST("/api/chats/", { body: { type: "group", name: "Кухня", members: [peer.id] } });
    const group = present(made.data, made.error);
    assert(group.type === "group" && group.my_role === "owner", "the maker is the owner");

    const params = { path: { id: group.id } };
    const sent = await api.POST("/api/chats/{id}/messages/", { params, body: { content: "Мяу!", client_id: "1" } });
    const message = present(sent.data, sent.error);
    const listed = await api.GET("/api/chats/{id}/messages/", { params: { ...params, query: { page_size: 10 } } });
    const { results } = present(listed.data, listed.error);
    assert(results.length === 1 && results[0]?.id === message.id, "the message is listed");
    const unread = await api.GET("/api/chats/", { params: { query: { type: "group", unread: false } } });
    assert(present(unread.data, unread.error).results.length === 1, "nothing is unread");
    const named = await api.GET("/api/users/", { params: { query: { ids: [me.id, peer.id] } } });
    assert(present(named.data, named.error).results.length === 2, "both users are listed");

    const refreshed = await api.POST("/api/auth/refresh/", { body: { refresh: session.refresh } });
    access = present(refreshed.data, refreshed.error).access;
    const logout = await api.POST("/api/auth/logout/");
    assert(logout.response.status === 204, "logged out");
    const refused = await api.GET("/api/auth/me/");
    assert(refused.error !== undefined && refused.response.status === 401, "the token is dead");
    assert("code" in refused.error && refused.error.code === "token_not_valid", "the error says why");
}

void main();
