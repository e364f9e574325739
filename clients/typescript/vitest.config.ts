// The tests in three projects: `unit` needs nothing, `server` the server's program, `browser` Chromium as well.

import { defineConfig } from "vitest/config";

// Generous, since the machine may be busy. Nothing waits for them.
const timeouts = { testTimeout: 60_000, hookTimeout: 60_000 };

export default defineConfig({
  test: {
    projects: ["unit", "server", "browser"].map((name) => ({
      test: { name, include: [`tests/${name}/*.test.ts`], fileParallelism: name === "unit", ...timeouts },
    })),
  },
});
