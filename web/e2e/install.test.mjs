// The messenger opens without a network, with what it had; what is written then is sent later. Needs the built client.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Site } from "./support.mjs";

let site;
before(async () => {
  site = await Site.start();
});
after(() => site.stop());

test("it opens offline, and sends once what was written offline", async () => {
  const ada = await site.register("ada", { first_name: "Ada" });
  const bo = await site.register("bo", { first_name: "Bo" });
  const chat = await site.call("POST", "/api/chats/", { type: "private", members: [bo.user.id] }, ada.access);
  await site.call("POST", `/api/chats/${chat.id}/messages/`, { content: "Before" }, ada.access);
  const page = await site.logIn("bo");
  await page.goto(`/chats/${chat.id}`);
  await page.getByRole("article").getByText("Before").waitFor();
  await page.evaluate(() => navigator.serviceWorker.ready);
  await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
  while (!(await page.evaluate(isSaved, chat.id))) await new Promise((resolve) => setTimeout(resolve, 50));
  await page.context().setOffline(true);
  await page.goto(`/chats/${chat.id}`);
  await page.getByRole("article").getByText("Before").waitFor();
  await page.getByLabel("Write a message").fill("Written offline");
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByRole("article").getByText("Written offline").waitFor();
  await page.reload();
  await page.getByRole("article").getByText("Written offline").waitFor();
  await page.context().setOffline(false);
  await page.getByRole("article").filter({ hasText: "Written offline" }).getByText("sent", { exact: true }).waitFor();
  const { results } = await site.call("GET", `/api/chats/${chat.id}/messages/`, undefined, ada.access);
  assert.equal(results.filter(({ content }) => content === "Written offline").length, 1);
  assert.deepEqual(page.errors, []);
});

/** Whether a chat is in the page's storage, where it is put soon after a change. */
function isSaved(chat) {
  return new Promise((resolve) => {
    const opening = indexedDB.open("meowsenger");
    opening.onsuccess = () => {
      const reading = opening.result.transaction("values").objectStore("values").getKey(`chats/${chat}`);
      reading.onsuccess = () => {
        opening.result.close();
        resolve(reading.result !== undefined);
      };
    };
  });
}
