// What people can write must break neither the layout nor run anything. Needs the built client.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Site } from "./support.mjs";

let site;
before(async () => {
  site = await Site.start();
});
after(() => site.stop());

const MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script>";
const HOSTILE = [
  MARKUP,
  "javascript:alert(1) data:text/html,<script>alert(1)</script>",
  "\u202Eevil\u2066\u2067 bidi \u200F\u202D",
  `Z${"\u0351\u0344\u035D\u0489".repeat(500)}algo`,
  "😀".repeat(10_000),
  "w".repeat(9_000),
  `https://example.org/${"a".repeat(3_000)}`,
  "\n".repeat(50) + "many lines",
  "مرحبا بالعالم, and left-to-right",
];

for (const [device, viewport] of [["a phone", { width: 390, height: 844 }], ["a desktop", { width: 1440, height: 900 }]]) {
  test(`hostile names and messages do no harm on ${device}`, async () => {
    const suffix = device.at(-1);
    const owner = await site.register(`ada${suffix}`, { first_name: `<b>${"\u202E"}Ada`, last_name: "\u0351".repeat(100) });
    const other = await site.register(`bo${suffix}`, { first_name: "😀".repeat(100), last_name: "W".repeat(150) });
    const { access } = owner;
    const group = { type: "group", name: `${MARKUP}${"\u202E"}`.slice(0, 100), description: MARKUP, members: [other.user.id] };
    const chat = await site.call("POST", "/api/chats/", group, access);
    const say = (content, who = owner) => site.call("POST", `/api/chats/${chat.id}/messages/`, { content }, who.access);
    let last;
    for (const content of HOSTILE) {
      await say(content, other);
      last = await say(content);
    }
    await site.call("PUT", `/api/messages/${last.id}/pin/`, undefined, access);
    const page = await site.logIn(`ada${suffix}`, { viewport });
    let dialogs = 0;
    page.on("dialog", (dialog) => {
      dialogs += 1;
      void dialog.dismiss();
    });
    await page.goto(`/chats/${chat.id}`);
    await page.getByRole("article").getByText("many lines").last().waitFor();
    for (const step of [0, -2_000, -20_000]) {
      await page.mouse.move(viewport.width - 100, 400);
      await page.mouse.wheel(0, step);
      const wide = await page.evaluate(() => {
        const width = document.documentElement.clientWidth;
        const all = [...document.querySelectorAll("article, header, nav, button, h1, h2, .bubble, .scroller")];
        const isShown = (element) => !element.closest(".unseen") && element.getClientRects().length > 0;
        const isWide = (element) => element.getBoundingClientRect().right > width + 1 || element.getBoundingClientRect().left < -1;
        return all.filter((element) => isShown(element) && isWide(element)).map((element) => element.outerHTML.slice(0, 200));
      });
      assert.deepEqual(wide, []);
      const scroller = page.getByRole("region", { name: "Messages", exact: true });
      assert.ok(await scroller.evaluate((element) => element.scrollWidth <= element.clientWidth), "no sideways scrolling");
    }
    assert.equal(await page.locator("article img, article script").count(), 0);
    assert.equal(await page.locator('a[href^="javascript:"], a[href^="data:"]').count(), 0);
    assert.equal(dialogs, 0);
    assert.deepEqual(page.errors, []);
    await page.context().close();
  });
}
