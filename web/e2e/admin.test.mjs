// The admin site in a browser: staff log in, find a user, deactivate them, handle a report; with the keyboard alone, on a
// phone, in the dark, and without scripts.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertAccessible } from "./accessible.mjs";
import { PASSWORD, Site } from "./support.mjs";

const PHONE = { viewport: { width: 390, height: 780 } };

let site;
before(async () => {
  site = await Site.start({ client: false });
  await site.superuser("root");
});
after(() => site.stop());

/** Opens a socket of a user, in a browser of theirs. Returns a promise of the code that it is closed with. */
async function connect(user) {
  const { ticket } = await site.call("POST", "/api/auth/ws-ticket/", {}, user.access);
  // The page's own policy forbids connections.
  const page = await site.open({ bypassCSP: true });
  await page.goto("/healthz/");
  await page.evaluate((ticket) => {
    const socket = new WebSocket(`/ws/?ticket=${ticket}`);
    globalThis.whenClosed = new Promise((resolve) => socket.addEventListener("close", ({ code }) => resolve(code)));
    return new Promise((resolve) => socket.addEventListener("message", resolve, { once: true }));
  }, ticket);
  return { closed: page.evaluate(() => globalThis.whenClosed) };
}

/** Presses Tab until an element has the focus, as people without a mouse do. */
async function tabTo(page, locator) {
  for (let presses = 0; presses < 60; presses++) {
    await page.keyboard.press("Tab");
    if (await locator.evaluate((element) => element === document.activeElement)) return;
  }
  assert.fail("no such element with the keyboard");
}

async function assertNoScroll(page) {
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(content <= window, `${page.url()} is ${content} wide, on ${window}`);
}

test("staff find a user and deactivate them, whose socket closes", async () => {
  const paul = await site.register("paul", { first_name: "Paul" });
  const { closed } = await connect(paul);
  const page = await site.openAdmin("root");
  await page.getByRole("link", { name: "Users", exact: true }).click();
  await page.getByRole("searchbox").fill("paul");
  await page.getByRole("button", { name: "Search" }).click();
  await page.getByRole("link", { name: "paul", exact: true }).click();
  await page.getByRole("heading", { name: /paul/ }).waitFor();
  await page.getByRole("link", { name: "Deactivate" }).click();
  await page.getByRole("button", { name: /Deactivate/ }).click();
  await page.getByRole("status").waitFor();
  assert.equal(await closed, 4001);
  await assert.rejects(site.call("POST", "/api/auth/login/", { username: "paul", password: PASSWORD }), /401/);
  await page.getByText("inactive").first().waitFor();
  await page.getByRole("link", { name: "Audit" }).click();
  await page.getByRole("heading", { name: "Audit" }).waitFor();
  assert.deepEqual(page.errors, []);
});

test("staff handle a report of a message", async () => {
  const [mia, max] = [await site.register("mia"), await site.register("max")];
  const chat = await site.call("POST", "/api/chats/", { type: "private", members: [mia.user.id] }, max.access);
  const rude = await site.call("POST", `/api/chats/${chat.id}/messages/`, { content: "<b>Hiss!</b>" }, max.access);
  await site.call("POST", "/api/reports/", { message: rude.id, reason: "abuse", text: "<script>alert(1)</script>" }, mia.access);
  const page = await site.openAdmin("root");
  await page.getByRole("link", { name: "Reports", exact: true }).click();
  await page.getByRole("table").getByRole("link").first().click();
  await page.getByText("<b>Hiss!</b>").waitFor();
  await page.getByText(/^Sent \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/).waitFor();
  await assertAccessible(page);
  await page.getByRole("link", { name: "Delete the message" }).click();
  await page.getByRole("button", { name: /Delete/ }).click();
  await page.getByRole("status").waitFor();
  const left = await site.call("GET", `/api/messages/${rude.id}/`, undefined, mia.access);
  assert.equal(left.content, "");
  await page.goto("/admin/reports/");
  await page.getByRole("table").getByRole("link").first().click();
  await page.getByLabel("Note for staff").fill("Deleted.");
  await page.getByRole("button", { name: "Resolve" }).click();
  await page.getByText("resolved").first().waitFor();
  assert.deepEqual(page.errors, []);
});

test("it works with the keyboard alone and without scripts", async () => {
  const page = await site.open();
  await page.goto("/admin/users/");
  assert.equal(new URL(page.url()).searchParams.get("next"), "/admin/users/");
  // The name gets the focus, which may be after the page has loaded.
  await page.locator("input[name=username]:focus").waitFor();
  await page.keyboard.type("root");
  await page.keyboard.press("Tab");
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Users" }).waitFor();
  await tabTo(page, page.getByRole("link", { name: "Overview" }));
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  await tabTo(page, page.getByText("As a table").first());
  await page.keyboard.press("Enter");
  await page.getByRole("columnheader", { name: "Hour from (UTC)" }).first().waitFor();
  await page.goto("/admin/");
  await tabTo(page, page.getByRole("button", { name: "Log out" }));
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Log in" }).waitFor();

  const plain = await site.openAdmin("root", { javaScriptEnabled: false });
  await plain.getByRole("link", { name: "Users", exact: true }).click();
  await plain.getByRole("heading", { name: "Users" }).waitFor();
});

test("every page is accessible, in light and dark, and as wide as a phone", async () => {
  for (const colorScheme of ["light", "dark"]) {
    const stranger = await site.open({ ...PHONE, colorScheme });
    await stranger.goto("/admin/");
    await assertAccessible(stranger);
    await assertNoScroll(stranger);
    const page = await site.openAdmin("root", { ...PHONE, colorScheme });
    const profile = await site.register(`cat-${"x".repeat(120)}-${colorScheme}`);
    const paths = ["", "users/", `users/${profile.user.id}/`, "chats/", "reports/", "audit/", "sessions/", "nothing/"];
    for (const path of [...paths, "sessions/end-others/"]) {
      await page.goto(`/admin/${path}`);
      await assertAccessible(page);
      await assertNoScroll(page);
      await page.setViewportSize({ width: 1200, height: 800 });
      await assertAccessible(page);
      await page.setViewportSize(PHONE.viewport);
    }
    // The page of a 404 is no fault.
    assert.deepEqual(page.errors, []);
  }
});
