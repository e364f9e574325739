// The package as it is published: its types are those of the documents, it is small, and programs can import and type-check it.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { folder, generate } from "../../scripts/generate.mjs";
import { bin, install, type Program, root } from "../support/program.ts";

let program: Program;

beforeAll(() => {
  program = install();
  writeFileSync(join(program.folder, "main.ts"), PROGRAM);
  for (const [number, code] of codeOf("ts").entries()) writeFileSync(join(program.folder, `readme${number}.ts`), code);
});
afterAll(() => program.remove());

const readme = readFileSync(join(root, "README.md"), "utf8");
const codeOf = (language: string) =>
  [...readme.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "gms"))].map(([, code]) => code ?? "");

const PROGRAM = `
import { ApiError, Server, type Event, type Message } from "@meowsenger/client";
const client = await new Server("http://127.0.0.1:1").logIn("me", "secret").catch((error: Error) => error);
export const show = ({ sender, content }: Message): string => sender.username + ": " + content;
export const kind = (event: Event) => (event.type === "change" ? event.change.version : 0);
// @ts-expect-error: a message has no such field.
export const wrong = (message: Message) => message.nonsense;
console.log(client instanceof ApiError ? "answered" : client instanceof Error ? client.name : "logged in");
`;

test("the generated types are those of the documents (npm run generate)", async () => {
  for (const [name, text] of Object.entries(await generate())) {
    expect(readFileSync(new URL(name, folder), "utf8") === text, `${name} is out of date`).toBe(true);
  }
});

test("it has no runtime dependency", () => {
  const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  expect([dependencies, peerDependencies]).toEqual([undefined, undefined]);
});

test("for browsers it is smaller than 20 KB compressed, and has nothing of Node", async () => {
  const options = { bundle: true, minify: true, format: "esm", platform: "browser", write: false } as const;
  const { outputFiles } = await build({ entryPoints: [program.entry], ...options });
  const text = outputFiles[0]?.text ?? "";
  expect(text).not.toContain("node:");
  const size = gzipSync(text).length;
  console.log(`the bundle has ${size} bytes, compressed`);
  expect(size).toBeLessThan(20_000);
});

test("the README's table of rules names tests that exist", () => {
  const rows = readme.split("\n").filter((line) => line.startsWith("| ") && line.includes(".test.ts"));
  expect(rows.length).toBeGreaterThan(20);
  // A file, and the beginnings of names of its tests: `a.test.ts`: one; another; `b.test.ts`
  for (const [, file = "", names = ""] of rows.join("").matchAll(/`(\w+\.test\.ts)`(?:: ([^`|]*))?/g)) {
    const folder = ["unit", "server", "browser"].find((one) => existsSync(join(root, "tests", one, file)));
    const text = readFileSync(join(root, "tests", folder ?? "", file), "utf8");
    for (const name of names.split("; ").filter(Boolean)) expect(text, file).toContain(name.trim().replace(/;$/, ""));
  }
});

test("the bot has some 20 lines, and is the one in the README", () => {
  const bot = readFileSync(join(root, "examples/bot.mjs"), "utf8");
  expect(codeOf("js")).toEqual([bot]);
  expect(bot.split("\n").length).toBeLessThanOrEqual(22);
});

test("a strict program and those of the README type-check with it, and it runs in Node", async () => {
  const strict = ["--strict", "--module", "nodenext", "--target", "es2022", "--lib", "es2023,dom"];
  execFileSync(bin("tsc"), [...strict, "main.ts", "readme0.ts", "readme1.ts"], {
    cwd: program.folder,
    stdio: "inherit",
  });
  const output = execFileSync(process.execPath, ["main.js"], { cwd: program.folder, encoding: "utf8" });
  expect(output.trim()).toBe("NetworkError");
});
