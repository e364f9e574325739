// A link to join a group: made by its owner, opened by somebody without an account. Needs the built client.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { PASSWORD, Site } from "./support.mjs";

let site;
before(async () => {
  site = await Site.start();
});
after(() => site.stop());

test("anyone who opens an invite joins the group, also by creating an account", async () => {
  const { access } = await site.register("ada", { first_name: "Ada" });
  const group = await site.call("POST", "/api/chats/", { type: "group", name: "Kitchen", members: [] }, access);
  const owner = await site.logIn("ada");
  await owner.goto(`/chats/${group.id}`);
  await owner.getByRole("button", { name: "About this chat" }).click();
  await owner.getByRole("button", { name: "Invite by link" }).click();
  await owner.getByRole("button", { name: "Make a new link" }).click();
  const link = await owner.getByRole("textbox", { name: "Link" }).inputValue();
  const { pathname } = new URL(link);

  const page = await site.open();
  await page.goto(pathname);
  await page.getByText("Log in, or create an account, to join the group.").waitFor();
  await page.getByRole("link", { name: "Create account" }).click();
  await page.getByLabel("Username").fill("newcomer");
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Create account" }).click();
  await page.getByRole("heading", { name: "Kitchen" }).waitFor();
  await page.getByRole("button", { name: "Join the group" }).click();
  await page.getByLabel("Write a message").fill("Hello!");
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByRole("article").getByText("Hello!").waitFor();

  await owner.getByRole("button", { name: "Revoke" }).click();
  await owner.getByRole("textbox", { name: "Link" }).waitFor({ state: "detached" });
  await page.goto(pathname);
  await page.getByText("This invitation does not work").waitFor();
  assert.deepEqual([...page.errors, ...owner.errors], []);
});
