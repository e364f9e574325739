// Files: picked, pasted, sent with a message, shown to the other, and no way to run anything. Needs the built client.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Site } from "./support.mjs";

let site;
before(async () => {
  site = await Site.start();
});
after(() => site.stop());

test("pictures and files are attached, sent and seen by the other", async () => {
  const ada = await site.register("ada", { first_name: "Ada" });
  const bo = await site.register("bo", { first_name: "Bo" });
  const chat = await site.call("POST", "/api/chats/", { type: "private", members: [bo.user.id] }, ada.access);
  const [page, other] = [await site.logIn("ada"), await site.logIn("bo")];
  await page.goto(`/chats/${chat.id}`);
  await other.goto(`/chats/${chat.id}`);

  const picture = Buffer.from(await page.screenshot({ clip: { x: 0, y: 0, width: 300, height: 200 } }));
  const picking = page.waitForEvent("filechooser");
  await page.getByRole("button", { name: "Attach files" }).click();
  const files = [
    { name: "cat.png", mimeType: "image/png", buffer: picture },
    { name: "evil.html", mimeType: "text/html", buffer: Buffer.from("<script>alert(1)</script>") },
    { name: "wrong.txt", mimeType: "text/plain", buffer: Buffer.from("not this one") },
  ];
  await (await picking).setFiles(files);
  await page.getByRole("button", { name: "Remove wrong.txt" }).click();
  await page.getByLabel("Write a message").fill("Look!");
  await page.getByRole("button", { name: "Send" }).click();

  const message = other.getByRole("article").filter({ hasText: "Look!" });
  const image = message.getByRole("img", { name: "cat.png" });
  await image.waitFor();
  await other.waitForFunction((image) => image.complete && image.naturalWidth > 0, await image.elementHandle());
  await message.getByText("evil.html").waitFor();
  const link = await message.getByRole("link", { name: /evil.html/ }).getAttribute("href");
  const answer = await fetch(new URL(link, site.url));
  assert.match(answer.headers.get("Content-Disposition"), /^attachment/);
  assert.equal(await message.getByText("wrong.txt").count(), 0);
  // Only a file, without a text.
  await other.getByLabel("Write a message").evaluate((area) => {
    const data = new DataTransfer();
    data.items.add(new File(["hello"], "note.txt", { type: "text/plain" }));
    area.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
  });
  await other.getByRole("list", { name: "Files to send" }).getByText("note.txt").waitFor();
  await other.getByRole("button", { name: "Send", disabled: false }).click();
  await page.getByRole("article").getByText("note.txt").waitFor();
  assert.deepEqual([...page.errors, ...other.errors], []);
});

test("a log-out during an upload leaves nothing of the files behind", async () => {
  const fay = await site.register("fay", { first_name: "Fay" });
  const gus = await site.register("gus", { first_name: "Gus" });
  const chat = await site.call("POST", "/api/chats/", { type: "private", members: [gus.user.id] }, fay.access);
  const page = await site.logIn("fay");
  await page.goto(`/chats/${chat.id}`);
  const attach = async (name) => {
    const picking = page.waitForEvent("filechooser");
    await page.getByRole("button", { name: "Attach files" }).click();
    await (await picking).setFiles([{ name, mimeType: "text/plain", buffer: Buffer.from("secret") }]);
  };
  const files = page.getByRole("list", { name: "Files to send" });
  await attach("first.txt");
  await files.getByText("6 B").waitFor();
  // The second one never ends by itself.
  await page.route("**/api/attachments/", () => {});
  await attach("second.txt");
  await files.getByRole("progressbar").waitFor();
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Log out" }).click();
  await page.getByRole("heading", { name: "Welcome back" }).waitFor();
  // What the end of the upload leads to has happened with the next frame.
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  assert.deepEqual(await page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith("meow.draft"))), []);
  await page.context().close();
});

test("chosen files wait with their chat, also over a reload, and come back if they cannot be sent", async () => {
  const cy = await site.register("cy", { first_name: "Cy" });
  const di = await site.register("di", { first_name: "Di" });
  const ed = await site.register("ed", { first_name: "Ed" });
  const private_ = (peer) => site.call("POST", "/api/chats/", { type: "private", members: [peer.user.id] }, cy.access);
  const [chat, other] = [await private_(di), await private_(ed)];
  const page = await site.logIn("cy");
  await page.goto(`/chats/${chat.id}`);
  const picture = Buffer.from(await page.screenshot({ clip: { x: 0, y: 0, width: 200, height: 100 } }));
  const picking = page.waitForEvent("filechooser");
  await page.getByRole("button", { name: "Attach files" }).click();
  await (await picking).setFiles([{ name: "cat.png", mimeType: "image/png", buffer: picture }]);
  await page.getByLabel("Write a message").fill("Look at this");
  await page.getByRole("button", { name: "Send", disabled: false }).waitFor();
  const files = page.getByRole("list", { name: "Files to send" });

  await page.getByRole("link", { name: /Ed/ }).click();
  await page.getByRole("heading", { name: "Ed" }).waitFor();
  await files.waitFor({ state: "detached" });
  await page.getByRole("link", { name: /Di/ }).click();
  await files.getByText("cat.png").waitFor();
  await page.reload();
  await files.getByText("cat.png").waitFor();
  await page.waitForFunction((image) => image.complete && image.naturalWidth > 0, await files.locator("img").elementHandle());

  // The browser's storage is full.
  await page.evaluate(() => {
    globalThis.put = IDBObjectStore.prototype.put;
    IDBObjectStore.prototype.put = () => {
      throw new DOMException("full", "QuotaExceededError");
    };
  });
  await page.getByRole("button", { name: "Send", disabled: false }).click();
  await page.getByRole("status").getByText("Something went wrong").waitFor();
  await files.getByText("cat.png").waitFor();
  assert.equal(await page.getByLabel("Write a message").inputValue(), "Look at this");
  await page.evaluate(() => {
    IDBObjectStore.prototype.put = globalThis.put;
  });
  await page.getByRole("button", { name: "Send", disabled: false }).click();
  await page.getByRole("article").filter({ hasText: "Look at this" }).getByRole("img", { name: "cat.png" }).waitFor();
  await files.waitFor({ state: "detached" });
  await page.goto(`/chats/${other.id}`);
  await page.goto(`/chats/${chat.id}`);
  await page.getByRole("article").filter({ hasText: "Look at this" }).waitFor();
  assert.equal(await files.count(), 0);
});
