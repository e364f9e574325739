// Compiles every pattern of both documents as ECMA-262 does with the flag `u`, and compares each with what the server
// accepts: a client that validates by a pattern must neither refuse what the server takes, nor send what it refuses.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";

const url = process.env.URL;
const password = "nine-lives-2026";

const post = (path, body, headers = {}) =>
    fetch(url + path, {
        method: "POST",
        headers: { "Content-Type": "application/json", ...headers },
        body: JSON.stringify(body),
    });
const unique = () => randomBytes(6).toString("hex");
const registered = await (await post("/api/auth/register/", { username: unique(), password })).json();
const headers = { Authorization: `Bearer ${registered.access}` };
const hasNoErrorOf = async (field, answer) => !(answer.status === 400 && field in (await answer.json()));

// Texts, and whether the server accepts one, for each pattern.
const words = ["Мурка", "小猫", "ねこ", "קטלה", "Zoë", "a.b@c+d-e_f", "ＭＥＯＷ", "①", "x1"];
const marks = ["Zoe\u0308", "\u043C\u0438\u0306", "か\u3099"];
const strange = ["a b", "🐈", "a\u200Db", "a/b", "हिन्दी", "a\u0000b", "#", "", "a\tb"];
const rows = {
    username: {
        texts: [...words, ...marks, ...strange],
        accepts: async (text) => {
            const username = text && text + unique();
            return hasNoErrorOf("username", await post("/api/auth/register/", { username, password }));
        },
    },
    "login name": {
        texts: [...words, ...marks, "🐈", "a b", "a\u0000b"],
        accepts: async (username) => hasNoErrorOf("username", await post("/api/auth/login/", { username, password })),
    },
    "chat id": {
        texts: ["1", "42", "007", "123456789012345", "", "-1", "1.5", "٣", "x", "12345678901234567"],
        accepts: async (id) => hasNoErrorOf("versions", await post("/api/sync/", { versions: { [id]: 1 } }, headers)),
    },
    query: {
        texts: [...words, ...marks, "🐈", "a b", " a ", "", " ", "\u0000", "\u2003", "\u0085"],
        accepts: async (q) => (await fetch(`${url}/api/users/search/?${new URLSearchParams({ q })}`, { headers })).ok,
    },
    has: {
        texts: ["attachment", "attachments", "x attachment", "x"],
        accepts: async (has) =>
            (await fetch(`${url}/api/messages/search/?${new URLSearchParams({ q: "meow", has })}`, { headers })).ok,
    },
    "request id": {
        texts: ["a", "A-1._", "x".repeat(64), "x".repeat(65), "a b", "a/b"],
        accepts: async (id) => {
            const answer = await fetch(`${url}/healthz`, { headers: { "X-Request-ID": id } });
            return answer.headers.get("X-Request-ID") === id;
        },
    },
};

const patterns = new Set();
const collect = (value) => {
    if (typeof value !== "object" || value === null) return;
    if (typeof value.pattern === "string") patterns.add(value.pattern);
    Object.values(value).forEach(collect);
};
const openapi = JSON.parse(readFileSync("openapi.json", "utf8"));
[openapi, JSON.parse(readFileSync("asyncapi.json", "utf8"))].forEach(collect);

const { schemas, headers: documented } = openapi.components;
const parameter = (path, name) => openapi.paths[path].get.parameters.find((one) => one.name === name).schema;
const found = {
    username: schemas.Register.properties.username.pattern,
    "login name": schemas.Login.properties.username.pattern,
    "chat id": schemas.ChatVersions.propertyNames.pattern,
    query: parameter("/api/users/search/", "q").pattern,
    has: parameter("/api/messages/search/", "has").pattern,
    "request id": documented.RequestId.schema.pattern,
};
assert.deepEqual([...patterns].sort(), Object.values(found).sort(), "a pattern that is not tested here");

for (const [name, { texts, accepts }] of Object.entries(rows)) {
    const pattern = new RegExp(found[name], "u");
    for (const text of texts) {
        assert.equal(pattern.test(text), await accepts(text), `${name}: ${JSON.stringify(text)}`);
    }
}
