// Builds the client into dist/site, which the server embeds. `npm run dev` and `vite preview` pass calls on to a server at
// MEOW_SERVER.

import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type Plugin } from "vite";
import { worker } from "./scripts/worker.ts";

const client = fileURLToPath(new URL("../clients/typescript/src", import.meta.url));
const target = process.env.MEOW_SERVER ?? "http://127.0.0.1:8000";
const proxy = Object.fromEntries(["/api", "/media", "/ws"].map((path) => [path, { target, ws: path === "/ws" }]));

/** The TypeScript client's own WebSocket is for Node: browsers have one. */
const withoutNodeSocket: Plugin = {
  name: "without-node-socket",
  enforce: "pre",
  resolveId: (id) => (id.endsWith("/node_socket.ts") ? "\0node-socket" : undefined),
  load: (id) => (id === "\0node-socket" ? "export const NodeSocket = undefined;" : undefined),
};

export default defineConfig({
  plugins: [withoutNodeSocket, svelte(), worker],
  resolve: { alias: { "@meowsenger/client": `${client}/index.ts` } },
  // The server's policy allows no inline styles or scripts, so nothing is inlined.
  build: { outDir: "dist/site", emptyOutDir: true, assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  server: { proxy, fs: { allow: [".", client] } },
  preview: { proxy },
});
