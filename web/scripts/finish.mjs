// After a build: writes FILE.br and FILE.gz beside each text file, for the server to send as they are, and fails if what a
// browser loads first is too large.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const SITE = new URL("../dist/site/", import.meta.url).pathname;
const LARGEST = 150 * 1024;
const best = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } };

const sizes = new Map();
for (const name of readdirSync(SITE, { recursive: true })) {
  if (!/\.(css|html|js|json|svg|webmanifest)$/.test(name)) continue;
  const content = readFileSync(join(SITE, name));
  const [brotli, gzip] = [brotliCompressSync(content, best), gzipSync(content, { level: 9 })];
  writeFileSync(join(SITE, `${name}.br`), brotli);
  writeFileSync(join(SITE, `${name}.gz`), gzip);
  sizes.set(name, brotli.length);
}

// The page, and what it names.
const page = readFileSync(join(SITE, "index.html"), "utf8");
const first = ["index.html", ...[...page.matchAll(/(?:src|href)="\/(assets\/[^"]+)"/g)].map(([, name]) => name)];
const total = first.reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0);
console.log(`first load: ${(total / 1024).toFixed(1)} KB compressed, of ${LARGEST / 1024}`);
if (total > LARGEST) process.exit(1);
