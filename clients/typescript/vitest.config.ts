// The tests in three projects: `unit` needs nothing, `server` the server's program, `browser` Chromium as well.

import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["tests/unit/*.test.ts"] } },
      { test: { name: "server", include: ["tests/server/*.test.ts"], testTimeout: 60_000, fileParallelism: false } },
      { test: { name: "browser", include: ["tests/browser/*.test.ts"], testTimeout: 60_000, fileParallelism: false } },
    ],
  },
});
