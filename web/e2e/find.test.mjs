// Finding one's way: mentions, links, pinned messages, and search. Needs the built client.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Site } from "./support.mjs";

let site;
before(async () => {
  site = await Site.start();
});
after(() => site.stop());

/** A group of Ada and Bo with many messages; the first one is pinned. */
async function group() {
  const suffix = Math.random().toString(36).slice(2, 8);
  const [ada, bo] = [`ada${suffix}`, `bo${suffix}`];
  const owner = await site.register(ada, { first_name: "Ada" });
  const { user } = await site.register(bo, { first_name: "Bo" });
  const { access } = owner;
  const chat = await site.call("POST", "/api/chats/", { type: "group", name: "Kitchen", members: [user.id] }, access);
  const send = (content) => site.call("POST", `/api/chats/${chat.id}/messages/`, { content }, access);
  const first = await send("The recipe: pumpernickel with butter");
  await site.call("PUT", `/api/messages/${first.id}/pin/`, undefined, access);
  for (let n = 0; n < 120; n++) await send(`Message ${n}`);
  return { ada, bo, chat, send };
}

test("a mention is completed by keyboard, links are links, and markup is text", async () => {
  const { ada, bo, chat } = await group();
  const page = await site.logIn(ada);
  await page.goto(`/chats/${chat.id}`);
  const write = page.getByLabel("Write a message");
  await write.pressSequentially("Hi @b");
  await page.getByRole("option", { name: /Bo/ }).waitFor();
  await write.press("Enter");
  await write.pressSequentially("<b>see</b> https://example.org/a?b=c.");
  await write.press("Enter");
  const message = page.getByRole("article").last();
  await message.getByText(`@${bo}`, { exact: true }).waitFor();
  assert.equal(await message.getByRole("link").getAttribute("href"), "https://example.org/a?b=c");
  await message.getByText("<b>see</b>").waitFor();
  assert.deepEqual(page.errors, []);
  const other = await site.logIn(bo);
  await other.getByRole("link", { name: /Kitchen/ }).getByText("@", { exact: true }).waitFor();
  await Promise.all([page.context().close(), other.context().close()]);
});

test("members beyond the first hundred are completed, too", async () => {
  const owner = await site.register("host", { first_name: "Host" });
  const names = Array.from({ length: 110 }, (_, n) => `guest${n}`);
  const guests = await Promise.all(names.map((name) => site.register(name)));
  // The list of members is in the order of joining, but for the owner.
  const last = await site.register("zoe", { first_name: "Zoe" });
  const members = [...guests, last].map(({ user }) => user.id);
  const chat = await site.call("POST", "/api/chats/", { type: "group", name: "Hall", members }, owner.access);
  const page = await site.logIn("host");
  await page.goto(`/chats/${chat.id}`);
  await page.getByLabel("Write a message").pressSequentially("Hi @z");
  await page.getByRole("option", { name: /Zoe/ }).waitFor();
  assert.deepEqual(page.errors, []);
  await page.context().close();
});

test("pinned messages and search hits lead to their place, however far back", async () => {
  const { bo, chat } = await group();
  const page = await site.logIn(bo);
  await page.goto(`/chats/${chat.id}`);
  await page.getByRole("button", { name: /1 pinned message/ }).click();
  await page.getByRole("dialog").getByRole("button", { name: /pumpernickel/ }).click();
  await page.getByRole("article").getByText("pumpernickel").waitFor();
  await page.getByRole("button", { name: /Jump to the latest message/ }).click();
  await page.getByRole("article").getByText("Message 119").waitFor();
  await page.getByRole("button", { name: "Search in this chat" }).click();
  await page.getByLabel("Words to look for").fill("pumper");
  await page.getByRole("dialog").getByRole("button", { name: /pumpernickel/ }).click();
  await page.getByRole("article").getByText("pumpernickel").waitFor();
  assert.deepEqual(page.errors, []);
  await page.context().close();
});

test("a message is pinned and forwarded from its menu", async () => {
  const { ada, bo, chat } = await group();
  const page = await site.logIn(ada);
  await page.goto(`/chats/${chat.id}`);
  const last = page.getByRole("article").filter({ hasText: "Message 119" });
  const choose = async (name) => {
    await last.getByRole("button", { name: "Actions" }).click();
    await page.getByRole("menuitem", { name }).click();
  };
  await choose("Pin");
  await page.getByRole("button", { name: /2 pinned messages/ }).waitFor();
  await choose("Forward");
  const dialog = page.getByRole("dialog", { name: "Forward to…" });
  await dialog.getByRole("button", { name: "Kitchen" }).click();
  await dialog.getByRole("button", { name: "Forward", exact: true }).click();
  await page.getByRole("article").filter({ hasText: "Forwarded from Ada" }).waitFor();
  const other = await site.logIn(bo);
  await other.goto(`/chats/${chat.id}`);
  await other.getByRole("article").filter({ hasText: "Forwarded from Ada" }).waitFor();
  assert.deepEqual([...page.errors, ...other.errors], []);
  await Promise.all([page.context().close(), other.context().close()]);
});

test("any emoji is inserted into a text, and reacted with", async () => {
  const { ada, chat } = await group();
  const page = await site.logIn(ada);
  await page.goto(`/chats/${chat.id}`);
  await page.getByLabel("Write a message").fill("Hi ");
  await page.getByRole("button", { name: "Insert an emoji" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Animals and plants" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "🦉" }).click();
  await page.getByLabel("Write a message").press("Enter");
  const message = page.getByRole("article").filter({ hasText: "Hi 🦉" });
  await message.getByRole("button", { name: "Actions" }).click();
  await page.getByRole("menuitem", { name: "More emoji" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "🤩" }).click();
  await message.getByRole("button", { name: /🤩 1 reaction/ }).waitFor();
  assert.deepEqual(page.errors, []);
  await page.context().close();
});
