// Accounts and devices in the built client: a forgotten password, several tabs and devices, a session that is ended.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { PASSWORD, Site } from "./support.mjs";

let site;
before(async () => {
  site = await Site.start();
});
after(() => site.stop());

test("a forgotten password is replaced with the link of the mail", async () => {
  await site.register("mona", { email: "mona@example.org" });
  const page = await site.open();
  await page.goto("/login");
  await page.getByRole("link", { name: "Forgot your password?" }).click();
  await page.getByLabel("Email").fill("mona@example.org");
  await page.getByRole("button", { name: "Send the link" }).click();
  await page.getByText("a mail with a link is on its way").waitFor();
  const link = await waitForLink();
  await page.goto(link);
  await page.getByLabel("New password", { exact: true }).fill("short");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("alert").getByText("too short").waitFor();
  await page.getByLabel("New password", { exact: true }).fill("ten-lives-2027");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Your password is changed.").waitFor();
  // The token is not left in the address.
  assert.equal(new URL(page.url()).search, "");
  await page.getByRole("link", { name: "Log in" }).click();
  await page.getByLabel("Username or email").fill("MONA@example.org");
  await page.getByLabel("Password", { exact: true }).fill("ten-lives-2027");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByText("No chats yet").waitFor();
  assert.deepEqual(page.errors, []);
  await page.context().close();
});

/** The path of the link in the mail, which the server writes to its log. */
async function waitForLink() {
  for (let n = 0; n < 100; n++) {
    const [, path] = /(\/reset\?uid=\S+)/.exec(site.log) ?? [];
    if (path) return path.replace(/[^\w=&?/-]+$/, "").replace(/=$/, "");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`no mail:\n${site.log}`);
}

test("a second device and a second tab are in step, and a session that is ended elsewhere asks for the password", async () => {
  const { user, access } = await site.register("nora", { first_name: "Nora" });
  const other = await site.register("otto", { first_name: "Otto" });
  const chat = await site.call("POST", "/api/chats/", { type: "private", members: [user.id] }, other.access);
  const write = (content) => site.call("POST", `/api/chats/${chat.id}/messages/`, { content }, other.access);
  await write("One");
  const [phone, laptop] = [await site.logIn("nora"), await site.logIn("nora")];
  const tab = await laptop.context().newPage();
  await tab.goto("/");
  const unread = (page) => page.getByRole("link", { name: /Otto/ }).getByText("1 unread message");
  for (const page of [phone, laptop, tab]) await unread(page).waitFor();
  await phone.bringToFront();
  await phone.goto(`/chats/${chat.id}`);
  for (const page of [laptop, tab]) await unread(page).waitFor({ state: "detached" });

  const composer = laptop.getByLabel("Write a message");
  await laptop.goto(`/chats/${chat.id}`);
  await composer.fill("Two");
  await composer.press("Enter");
  await phone.getByRole("article").getByText("Two").waitFor();
  await tab.getByRole("link", { name: /Otto/ }).getByText("You: Two").waitFor();

  await composer.fill("a draft for later");
  await site.call("DELETE", "/api/auth/sessions/", undefined, access);
  for (const page of [phone, laptop, tab]) await page.getByText("You were logged out.").waitFor();
  await laptop.getByLabel("Username or email").fill("nora");
  await laptop.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await laptop.getByRole("button", { name: "Log in" }).click();
  await laptop.getByRole("article").getByText("Two").waitFor();
  assert.equal(await composer.inputValue(), "a draft for later");
  assert.deepEqual([...phone.errors, ...laptop.errors], []);
  await Promise.all([phone.context().close(), laptop.context().close()]);
});

test("an account is deleted with its password, and leaves nothing in the browser", async () => {
  await site.register("petra");
  const page = await site.logIn("petra");
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("button", { name: "Delete account" }).click();
  await page.getByLabel("Password", { exact: true }).fill("wrong");
  await page.getByRole("button", { name: "Delete account" }).click();
  await page.getByRole("alert").waitFor();
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Delete account" }).click();
  await page.getByRole("heading", { name: "Welcome back" }).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "Welcome back" }).waitFor();
  await assert.rejects(site.call("POST", "/api/auth/login/", { username: "petra", password: PASSWORD }), /401/);
  assert.deepEqual(page.errors, []);
  await page.context().close();
});
