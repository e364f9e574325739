// Photographs the client for the README: people who make plans, on a desktop and a phone, in light and dark; and the admin site.

import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { PASSWORD, Site } from "../e2e/support.mjs";
import { photographAdmin } from "./photograph-admin.mjs";

const FOLDER = fileURLToPath(new URL("../../docs/images/", import.meta.url));
const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 780 };

const site = await Site.start();
try {
  mkdirSync(FOLDER, { recursive: true });
  const { group, friend } = await makePlans();
  await photograph("desktop-light", { viewport: DESKTOP, colorScheme: "light" }, group);
  await photograph("desktop-dark", { viewport: DESKTOP, colorScheme: "dark" }, friend);
  await photograph("phone-chat", { viewport: PHONE, colorScheme: "light" }, friend);
  await photograph("phone-list", { viewport: PHONE, colorScheme: "dark" });
  await photographAdmin(site, `${FOLDER}admin.png`);
} finally {
  await site.stop();
}

/** Fills the site. Returns the ids of a group and of a private chat of Mila. */
async function makePlans() {
  const names = ["Mila Novak", "Tom Becker", "Yuki Tanaka", "Amir Haddad", "Sofia Rossi"];
  const people = [];
  for (const name of names) {
    const [first_name, last_name] = name.split(" ");
    people.push(await site.register(first_name.toLowerCase(), { first_name, last_name }));
  }
  const [mila, tom, yuki, amir, sofia] = people;
  const create = (chat) => site.call("POST", "/api/chats/", chat, mila.access);
  const say = (chat, by, content, more = {}) =>
    site.call("POST", `/api/chats/${chat.id}/messages/`, { content, ...more }, by.access);
  const react = (message, by, emoji) =>
    site.call("PUT", `/api/messages/${message.id}/reactions/${encodeURIComponent(emoji)}/`, undefined, by.access);

  const withAmir = await create({ type: "private", members: [amir.user.id] });
  await say(withAmir, amir, "مرحبا! متى نلتقي؟");
  const withSofia = await create({ type: "private", members: [sofia.user.id] });
  await say(withSofia, mila, "See you on Friday then 🎉");

  const friend = await create({ type: "private", members: [tom.user.id] });
  await say(friend, mila, "Did the parcel arrive?");
  const box = await say(friend, tom, "Yes, this morning. The cat already sits in the box 😸");
  await react(box, mila, "❤️");
  await say(friend, mila, "Of course she does.\nSend me a picture when you can!");
  await say(friend, tom, "Will do. Are you coming on Saturday?");
  await say(friend, mila, "Yes! I take the early train and bring breakfast.");

  const others = [tom, yuki, amir, sofia].map(({ user }) => user.id);
  const group = await create({ type: "group", name: "Climbing on Thursdays", members: others });
  const question = await say(group, tom, "Who is in this week?");
  await say(group, yuki, "Me! I bring the rope.");
  const snacks = await say(group, yuki, "And snacks.");
  await react(snacks, tom, "🎉");
  await react(snacks, mila, "🎉");
  await say(group, mila, "Count me in", { reply_to: question.id });
  const late = await say(group, sofia, "I have to work late, so I will join you around eight, if that is all right with everybody.");
  await react(late, yuki, "👍");
  await say(group, amir, "No problem, we start with the easy routes anyway.", { reply_to: late.id });
  return { group: group.id, friend: friend.id };
}

async function photograph(name, options, chat) {
  const page = await site.open(options);
  await page.goto("/login");
  await page.getByLabel("Username or email").fill("mila");
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("link", { name: /Tom Becker/ }).waitFor();
  if (chat) {
    await page.goto(`/chats/${chat}`);
    await page.getByRole("article").nth(4).waitFor();
  }
  // Presence and the fonts.
  await page.waitForTimeout(700);
  await page.screenshot({ path: `${FOLDER}${name}.png` });
  await page.context().close();
}
