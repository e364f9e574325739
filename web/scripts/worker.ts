// Adds `sw.js` to the build: src/service-worker.js with the list of the built files, and a version that changes with them.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Plugin } from "vite";

const SOURCE = new URL("../src/service-worker.js", import.meta.url);
const PUBLIC = ["/manifest.webmanifest", "/icon.svg"];

export const worker: Plugin = {
  name: "worker",
  apply: "build",
  enforce: "post",
  generateBundle(_, bundle) {
    const built = Object.keys(bundle).filter((name) => name.startsWith("assets/"));
    const page = bundle["index.html"];
    const files = ["/", ...built.map((name) => `/${name}`), ...PUBLIC];
    const content = page?.type === "asset" ? String(page.source) : "";
    const version = createHash("sha256").update(content + files.join()).digest("hex").slice(0, 12);
    const code = readFileSync(SOURCE, "utf8");
    const source = code.replace('"FILES"', JSON.stringify(files)).replace("VERSION", version);
    this.emitFile({ type: "asset", fileName: "sw.js", source });
  },
};
