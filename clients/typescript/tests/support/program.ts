// A program that has the package installed, as it is published.

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the package. */
export const root = fileURLToPath(new URL("../..", import.meta.url));
export const bin = (name: string) => join(root, "node_modules/.bin", name);

export interface Program {
  /** Its folder. */
  folder: string;
  /** The package's entry for browsers and Node. */
  entry: string;
  remove(): void;
}

/** Builds the package, and installs it into the folder of a new program. */
export function install(): Program {
  const folder = mkdtempSync(join(tmpdir(), "meow-program."));
  const installed = join(folder, "node_modules/@meowsenger/client");
  mkdirSync(installed, { recursive: true });
  execFileSync(bin("tsc"), ["-p", "tsconfig.build.json", "--outDir", join(installed, "dist")], { cwd: root });
  cpSync(join(root, "package.json"), join(installed, "package.json"));
  cpSync(join(root, "examples"), folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  return { folder, entry: join(installed, "dist/index.js"), remove: () => rmSync(folder, { recursive: true }) };
}
