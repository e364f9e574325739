// People chat in the built client, before a real server.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { PASSWORD, Site } from "./support.mjs";
import { assertAccessible } from "./accessible.mjs";

let site;
before(async () => {
  site = await Site.start();
});
after(() => site.stop());

const composer = (page) => page.getByLabel("Write a message");
const messages = (page) => page.getByRole("article");

async function say(page, text) {
  await composer(page).fill(text);
  await composer(page).press("Enter");
  await messages(page).getByText(text).waitFor();
}

/** Chooses from the menu of a message. */
async function act(page, text, action) {
  const message = messages(page).filter({ hasText: text }).last();
  await message.hover();
  await message.getByRole("button", { name: "Actions" }).click();
  await page.getByRole("menuitem", { name: action }).click();
}

/** Two accounts with a private chat. */
async function pair() {
  const suffix = Math.random().toString(36).slice(2, 8);
  const [ann, ben] = [`ann${suffix}`, `ben${suffix}`];
  const { access, user } = await site.register(ann, { first_name: "Ann" });
  const other = await site.register(ben, { first_name: "Ben" });
  const chat = await site.call("POST", "/api/chats/", { type: "private", members: [other.user.id] }, access);
  const write = (from, content) => site.call("POST", `/api/chats/${chat.id}/messages/`, { content }, from);
  const asBen = (method, path, body) => site.call(method, path, body, other.access);
  return { ann, annId: user.id, ben, asBen, chat, fromAnn: (text) => write(access, text), fromBen: (text) => write(other.access, text) };
}

test("two people who have never met chat, and see how far their messages have got", async () => {
  const ann = await site.open();
  await ann.goto("/");
  await ann.getByRole("link", { name: "Create account" }).click();
  await ann.getByLabel("Username").fill("ann");
  await ann.getByLabel("Password", { exact: true }).fill("123");
  await ann.getByRole("button", { name: "Create account" }).click();
  await ann.getByRole("alert").getByText("too short").waitFor();
  await ann.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await ann.getByRole("button", { name: "Create account" }).click();
  await ann.getByText("No chats yet").waitFor();

  await site.register("ben", { first_name: "Ben" });
  const ben = await site.logIn("ben");
  await ann.getByRole("button", { name: "New chat" }).first().click();
  await ann.getByLabel("Find people by name").fill("be");
  await ann.getByRole("button", { name: /@ben/ }).click();
  await say(ann, "Hello Ben!");

  const row = ben.getByRole("link", { name: /ann/ });
  await row.getByText("1 unread message").waitFor();
  await messages(ann).getByText("delivered").waitFor();
  await ben.bringToFront();
  await row.click();
  await messages(ben).getByText("Hello Ben!").waitFor();
  await messages(ann).getByText("read", { exact: true }).waitFor();
  await row.getByText("unread message").waitFor({ state: "detached" });

  await composer(ben).pressSequentially("Hi");
  await ann.getByRole("heading", { name: "Ben" }).locator("..").getByText("typing…").waitFor();
  await composer(ben).fill("Hi Ann");
  await composer(ben).press("Enter");
  await messages(ann).getByText("Hi Ann").waitFor();
  assert.deepEqual([...ann.errors, ...ben.errors], []);
  await Promise.all([ann.context().close(), ben.context().close()]);
});

test("a message is answered, reacted to, edited and deleted, and the other one sees it", async () => {
  const { ann, ben, chat, fromAnn, fromBen } = await pair();
  await fromAnn("Tea or coffee?");
  await fromBen("Coffee");
  const [a, b] = [await site.logIn(ann), await site.logIn(ben)];
  for (const page of [a, b]) await page.goto(`/chats/${chat.id}`);

  await act(a, "Coffee", "React with 🎉");
  await messages(b).getByRole("button", { name: /🎉 1 reaction/ }).click();
  await messages(a).getByRole("button", { name: /🎉 2 reactions/ }).waitFor();

  await act(b, "Tea or coffee?", "Reply");
  await say(b, "Both, please");
  await messages(a).getByRole("button", { name: "Go to the message by You" }).waitFor();

  await act(b, "Both, please", "Edit");
  assert.equal(await composer(b).inputValue(), "Both, please");
  await composer(b).fill("Two coffees");
  await composer(b).press("Enter");
  await messages(a).getByText("Two coffees").waitFor();
  assert.equal(await composer(b).inputValue(), "", "the text of an edit is no draft");
  await messages(a).getByText("edited").waitFor();

  await act(b, "Two coffees", "Delete");
  await b.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await messages(a).getByText("This message was deleted.").waitFor();
  assert.deepEqual([...a.errors, ...b.errors], []);
  await Promise.all([a.context().close(), b.context().close()]);
});

test("what is written while the server is away survives a reload, and is sent once and in order", async () => {
  const { ann, ben, chat, fromBen } = await pair();
  await fromBen("Are you there?");
  const a = await site.logIn(ann);
  await a.goto(`/chats/${chat.id}`);
  await messages(a).getByText("Are you there?").waitFor();
  await composer(a).fill("a draft");
  await site.killServer();
  await a.getByText("You are offline.").waitFor();
  await say(a, "First");
  await say(a, "Second");
  await messages(a).getByText("waiting to be sent").first().waitFor();
  await composer(a).fill("a draft");
  await a.reload();
  await messages(a).getByText("Are you there?").waitFor();
  await messages(a).getByText("Second").waitFor();
  assert.equal(await composer(a).inputValue(), "a draft");

  await site.startServer();
  const b = await site.logIn(ben);
  await b.goto(`/chats/${chat.id}`);
  await messages(b).getByText("Second").waitFor();
  await messages(a).getByText("waiting to be sent").waitFor({ state: "detached" });
  const texts = await messages(b).locator(".text").allTextContents();
  assert.deepEqual(texts, ["Are you there?", "First", "Second"]);
  assert.deepEqual(b.errors, []);
  await Promise.all([a.context().close(), b.context().close()]);
});

test("edits, reactions and deletions while the server is away are shown at once, survive a reload, and are made", async () => {
  const { ann, ben, chat, fromAnn, fromBen } = await pair();
  await fromAnn("Tea?");
  await fromAnn("Never mind");
  await fromBen("Coffee");
  const a = await site.logIn(ann);
  await a.goto(`/chats/${chat.id}`);
  // The newest one is known at once, the others are read.
  for (const text of ["Coffee", "Never mind", "Tea?"]) await messages(a).getByText(text).waitFor();
  await site.killServer();
  await a.getByText("You are offline.").waitFor();
  const assertShown = async (page) => {
    await messages(page).getByText("Cocoa?").waitFor();
    await messages(page).getByText("This message was deleted.").waitFor();
    await messages(page).getByRole("button", { name: /🎉 1 reaction/ }).waitFor();
    assert.equal(await messages(page).count(), 3);
  };
  await composer(a).fill("a draft");
  await act(a, "Tea?", "Edit");
  await composer(a).fill("Cocoa?");
  await composer(a).press("Enter");
  await a.waitForFunction(() => document.querySelector("textarea").value === "a draft");
  await act(a, "Never mind", "Delete");
  await a.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await act(a, "Coffee", "React with 🎉");
  await assertShown(a);
  await messages(a).filter({ hasText: "Cocoa?" }).getByText("waiting to be sent").waitFor();
  await a.reload();
  await assertShown(a);

  await site.startServer();
  const b = await site.logIn(ben);
  await b.goto(`/chats/${chat.id}`);
  await assertShown(b);
  await messages(a).getByText("waiting to be sent").waitFor({ state: "detached" });
  await assertShown(a);
  assert.equal(await a.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith("meow.change")).length), 0);
  assert.deepEqual(b.errors, []);
  await Promise.all([a.context().close(), b.context().close()]);
});

test("a change that the server refuses is taken back, and the text is kept for another attempt", async () => {
  const { ann, annId, chat, fromAnn, asBen } = await pair();
  await fromAnn("Tea?");
  const a = await site.logIn(ann);
  await a.goto(`/chats/${chat.id}`);
  await act(a, "Tea?", "Edit");
  await composer(a).fill("Cocoa?");
  // Ann does not learn of it, but cannot edit any more.
  await asBen("PUT", `/api/blocks/${annId}/`);
  await composer(a).press("Enter");
  await a.getByRole("status").getByText("You cannot message this user.").waitFor();
  await messages(a).getByText("Tea?").waitFor();
  await a.waitForFunction(() => document.querySelector("textarea").value === "Cocoa?");
  await a.context().close();
});

test("everything on the way from the login to an edited message works by keyboard", async () => {
  const { ann, fromBen } = await pair();
  await fromBen("Hello");
  const page = await site.open();
  const { keyboard } = page;
  await page.goto("/login");
  await page.getByRole("button", { name: "Log in" }).waitFor();
  await keyboard.press("Tab");
  await keyboard.type(ann);
  await keyboard.press("Tab");
  await keyboard.type(PASSWORD);
  await keyboard.press("Enter");
  await page.getByRole("link", { name: /Ben/ }).waitFor();
  const focused = (name) => page.evaluate((name) => document.querySelector("a:focus")?.textContent?.includes(name), name);
  for (let n = 0; n < 12 && !(await focused("Ben")); n++) await keyboard.press("Tab");
  await keyboard.press("Enter");
  await messages(page).getByText("Hello").waitFor();
  await keyboard.type("First line");
  await keyboard.press("Shift+Enter");
  await keyboard.type("second line");
  await keyboard.press("Enter");
  await messages(page).last().getByText("First line\nsecond line").waitFor();
  await messages(page).last().getByText(/^(sent|delivered|read)$/).waitFor();
  await keyboard.press("ArrowUp");
  await page.getByRole("button", { name: "Save the change" }).waitFor();
  await keyboard.press("Escape");
  await page.getByRole("button", { name: "Send", exact: true }).waitFor();

  // From the composer back to the last message's menu.
  for (let n = 0; n < 4; n++) {
    await keyboard.press("Shift+Tab");
    if (await page.evaluate(() => document.activeElement?.getAttribute("aria-label") === "Actions")) break;
  }
  await keyboard.press("Enter");
  await page.getByRole("menu").waitFor();
  await keyboard.press("Escape");
  await page.getByRole("menu").waitFor({ state: "detached" });
  const hasFocus = (label) =>
    page.waitForFunction((label) => document.activeElement?.getAttribute("aria-label") === label, label);
  await hasFocus("Actions");

  // A dialog gives the focus back, however it is closed.
  await page.getByRole("button", { name: "About this chat" }).focus();
  for (const close of ["Escape", "Enter"]) {
    await keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    if (close === "Enter") await page.getByRole("button", { name: "Close" }).focus();
    await keyboard.press(close);
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await hasFocus("About this chat");
  }
  // Keys that follow each other at once are all heeded.
  for (let n = 0; n < 5; n++) {
    await keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    await Promise.all([keyboard.press("Escape"), keyboard.press("Enter")]);
    await page.getByRole("dialog").waitFor();
    await keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
  }
  assert.deepEqual(page.errors, []);
  await page.context().close();
});

test("a phone shows one pane, nothing is wider than it, and hostile names and texts break nothing", async () => {
  const { ann, fromBen } = await pair();
  const hostile = ["<img src=x onerror=alert(1)>", "‮desrever", "Z̸̧̛͈͎̬͖̥̟̞̗̘̙̜̓̈́̿".repeat(40), "x".repeat(3_000), "😀".repeat(10_000)];
  for (const text of hostile) await fromBen(text);
  const page = await site.logIn(ann, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  assert.equal(await page.getByRole("main").isVisible(), false);
  await page.getByRole("link", { name: /Ben/ }).tap();
  await messages(page).getByText("<img src=x onerror=alert(1)>").waitFor();
  const isFitting = () => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth && !document.querySelector("article img[src=x]"));
  assert.ok(await isFitting());
  const scroller = page.getByRole("region", { name: "Messages", exact: true });
  assert.ok(await scroller.evaluate((element) => element.scrollWidth <= element.clientWidth));
  await assertAccessible(page);
  await page.getByRole("link", { name: "Back" }).tap();
  await page.getByRole("heading", { name: "Chats", exact: true }).waitFor();
  assert.ok(await isFitting());
  assert.deepEqual(page.errors, []);
  await page.context().close();
});

test("a conversation scrolls back to its beginning and stays where it is, while new messages arrive", async () => {
  const { ann, chat, fromAnn, fromBen } = await pair();
  for (let n = 1; n <= 160; n++) await fromAnn(`Number ${n}.`);
  const page = await site.logIn(ann);
  await page.goto(`/chats/${chat.id}`);
  await messages(page).getByText("Number 160.").waitFor();
  const scroller = page.getByRole("region", { name: "Messages", exact: true });
  const first = messages(page).getByText("Number 1.", { exact: true });
  for (const end = Date.now() + 60_000; (await first.count()) === 0; ) {
    assert.ok(Date.now() < end, "the first message is reached in time");
    await scroller.evaluate((element) => element.scrollBy(0, -1_200));
    await page.waitForTimeout(50);
  }
  await first.scrollIntoViewIfNeeded();
  // Where it rests.
  let before = await first.boundingBox();
  for (let last; last?.y !== before?.y; ) {
    last = before;
    await page.waitForTimeout(200);
    before = await first.boundingBox();
  }
  await fromBen("Something new");
  await page.getByRole("button", { name: "Jump to the latest message, 1 new message" }).waitFor();
  assert.equal((await first.boundingBox())?.y, before?.y);
  await page.getByRole("button", { name: /Jump to the latest message/ }).click();
  await messages(page).getByText("Something new").waitFor();
  assert.deepEqual(page.errors, []);
  await page.context().close();
});

test("a quoted message that could not be read is read on the next connection", async () => {
  const { ann, chat, fromAnn, asBen } = await pair();
  const old = await fromAnn("The old question");
  for (let n = 1; n <= 60; n++) await fromAnn(`Number ${n}.`);
  const reply = { content: "The answer", reply_to: old.id };
  await asBen("POST", `/api/chats/${chat.id}/messages/`, reply);
  const page = await site.logIn(ann);
  const path = `**/api/messages/${old.id}/`;
  await page.route(path, (route) => route.fulfill({ status: 500, json: { detail: "A server error occurred." } }));
  const failed = page.waitForResponse(path);
  await page.goto(`/chats/${chat.id}`);
  await failed;
  const answer = messages(page).filter({ hasText: "The answer" });
  await answer.getByText("Loading…").waitFor();
  await site.killServer();
  await page.getByText("You are offline.").waitFor();
  await page.unroute(path);
  await site.startServer();
  await answer.getByText("The old question").waitFor();
  await page.context().close();
});

test("a group is created, named and joined, and its owner decides about roles", async () => {
  const { ann, ben } = await pair();
  const [a, b] = [await site.logIn(ann), await site.logIn(ben)];
  await a.getByRole("button", { name: "New group" }).click();
  await a.getByLabel("Name of the group").fill("Picnic");
  await a.getByLabel("Find people by name").fill(ben);
  await a.getByRole("button", { name: new RegExp(ben) }).click();
  await a.getByRole("button", { name: "Create group" }).click();
  await b.getByRole("link", { name: /Picnic/ }).click();
  await say(a, "Who brings the cake?");
  await messages(b).getByText("Who brings the cake?").waitFor();

  await a.getByRole("button", { name: "About this chat" }).click();
  await assertAccessible(a);
  await a.getByRole("button", { name: "Actions for Ben" }).click();
  await a.getByRole("menuitem", { name: "Make admin" }).click();
  await a.getByRole("dialog").getByText("Admin", { exact: true }).waitFor();
  await a.getByRole("button", { name: "Mute" }).click();
  await a.getByRole("menuitem", { name: "An hour" }).click();
  await a.getByRole("button", { name: "Unmute" }).waitFor();
  await a.keyboard.press("Escape");
  await a.getByRole("link", { name: /Picnic/ }).getByText("muted").waitFor();

  await b.getByRole("button", { name: "About this chat" }).click();
  await b.getByRole("button", { name: "Edit", exact: true }).click();
  await b.getByLabel("Name", { exact: true }).fill("Picnic in the park");
  await b.getByRole("button", { name: "Save" }).click();
  await a.getByRole("heading", { name: "Picnic in the park" }).waitFor();
  await b.getByRole("button", { name: "Leave the group" }).click();
  await b.getByRole("dialog").getByRole("button", { name: "Leave the group" }).click();
  await b.getByText("This chat is not there").waitFor();
  await a.getByText("1 member", { exact: true }).waitFor();
  assert.deepEqual([...a.errors, ...b.errors], []);
  await Promise.all([a.context().close(), b.context().close()]);
});

test("a profile is changed, somebody is blocked, and a log-out leaves nothing behind", async () => {
  const { ann, ben, chat, fromBen } = await pair();
  await fromBen("Spam");
  const [a, b] = [await site.logIn(ann), await site.logIn(ben)];
  for (const page of [a, b]) await page.goto(`/chats/${chat.id}`);
  await composer(a).fill("a secret draft");
  await a.getByRole("button", { name: "Settings" }).click();
  await assertAccessible(a);
  await a.getByRole("button", { name: /Profile/ }).click();
  await a.getByLabel("Last name").fill("Lee");
  await a.getByRole("button", { name: "Save" }).click();
  await b.getByRole("heading", { name: "Ann Lee" }).waitFor();
  await a.getByRole("button", { name: "Devices" }).click();
  await a.getByText("This device").waitFor();
  await a.keyboard.press("Escape");
  await a.getByRole("dialog", { name: "Settings" }).waitFor();
  await a.keyboard.press("Escape");

  await a.getByRole("button", { name: "About this chat" }).click();
  await a.getByRole("button", { name: "Block" }).click();
  await a.getByRole("dialog").getByRole("button", { name: "Block" }).click();
  await a.getByRole("button", { name: "Unblock" }).waitFor();
  await a.keyboard.press("Escape");
  await a.getByText("You blocked this person.").waitFor();
  await composer(b).fill("More spam");
  await composer(b).press("Enter");
  await b.getByRole("alert").getByText("You cannot message this user.").waitFor();

  await a.getByRole("button", { name: "Settings" }).click();
  await a.getByRole("button", { name: "Log out" }).click();
  await a.getByRole("dialog").getByRole("button", { name: "Log out" }).click();
  await a.getByRole("heading", { name: "Welcome back" }).waitFor();
  const left = await a.evaluate(async () => {
    const databases = await indexedDB.databases();
    const sizes = databases.map(({ name }) => new Promise((resolve, reject) => {
      const opening = indexedDB.open(name);
      opening.onerror = () => reject(opening.error);
      opening.onsuccess = () => {
        const stores = [...opening.result.objectStoreNames];
        if (stores.length === 0) return resolve(0);
        const counting = opening.result.transaction(stores).objectStore(stores[0]).count();
        counting.onsuccess = () => resolve(counting.result);
      };
    }));
    const drafts = Object.keys(localStorage).filter((key) => key.startsWith("meow.draft"));
    return { stored: (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0), drafts };
  });
  assert.deepEqual(left, { stored: 0, drafts: [] });
  assert.deepEqual([...a.errors, ...b.errors], []);
  await Promise.all([a.context().close(), b.context().close()]);
});

test("a message and a person are reported to the staff, who see what was said", async () => {
  const { ann, ben, chat, fromBen } = await pair();
  await fromBen("Buy my tea!");
  const page = await site.logIn(ann);
  await page.goto(`/chats/${chat.id}`);
  await messages(page).getByText("Buy my tea!").hover();
  await messages(page).getByRole("button", { name: "Actions" }).click();
  await page.getByRole("menuitem", { name: "Report" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Spam or advertising").check();
  await dialog.getByLabel(/What should they know/).fill("Every day");
  await assertAccessible(page);
  await dialog.getByRole("button", { name: "Send the report" }).click();
  await page.getByText("Thank you. The staff will look at it.").waitFor();

  await page.getByRole("button", { name: "About this chat" }).click();
  await page.getByRole("button", { name: "Report this person" }).click();
  await dialog.getByLabel("Abuse or harassment").check();
  await dialog.getByRole("button", { name: "Send the report" }).click();
  await page.getByRole("dialog", { name: "Report this person" }).waitFor({ state: "detached" });

  const { access } = await site.superuser(`staff${ben}`);
  const { results } = await site.call("GET", "/api/reports/?page_size=2", undefined, access);
  const facts = results.map((report) => [report.reason, report.user.username, report.copy?.content ?? null, report.text]);
  assert.deepEqual(facts, [
    ["abuse", ben, null, ""],
    ["spam", ben, "Buy my tea!", "Every day"],
  ]);
  assert.deepEqual(page.errors, []);
  await page.context().close();
});

test("axe finds nothing serious, in light and dark", async () => {
  const { ann, chat, fromAnn, fromBen } = await pair();
  await fromBen("One");
  await fromAnn("Two");
  for (const colorScheme of ["light", "dark"]) {
    const page = await site.open({ colorScheme });
    await page.goto("/register");
    await page.getByRole("button", { name: "Create account" }).waitFor();
    await assertAccessible(page);
    await page.context().close();
    const inside = await site.logIn(ann, { colorScheme });
    await assertAccessible(inside);
    await inside.goto(`/chats/${chat.id}`);
    await messages(inside).getByText("Two").waitFor();
    await assertAccessible(inside);
    await inside.getByRole("button", { name: "New chat" }).click();
    await inside.getByLabel("Find people by name").fill("be");
    await inside.getByText("@ben").first().waitFor();
    await assertAccessible(inside);
    assert.deepEqual(inside.errors, []);
    await inside.context().close();
  }
});
