// The module and the page of docs/browser.md, served on an origin of their own.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

const PAGE = new URL("../../docs/browser.md", import.meta.url);
const SERVER = '"http://127.0.0.1:8000"';

// A site with the page. `api` is the server that its module calls. Returns its origin.
export async function serve(api) {
  const markdown = await readFile(PAGE, "utf8");
  const blocks = (language) =>
    [...markdown.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "gms"))].map(([, code]) => code);
  const module = blocks("js").join("\n");
  if (!module.includes(SERVER)) throw new Error(`docs/browser.md does not name ${SERVER}`);
  const files = {
    "/": ["text/html", blocks("html").join("\n")],
    "/meow.js": ["text/javascript", module.replace(SERVER, JSON.stringify(api))],
  };
  const site = createServer(({ url }, answer) => {
    const [type, content] = files[url] ?? ["text/plain", ""];
    answer.writeHead(url in files ? 200 : 404, { "Content-Type": type }).end(content);
  });
  await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
  return { origin: `http://localhost:${site.address().port}`, close: () => site.close() };
}
