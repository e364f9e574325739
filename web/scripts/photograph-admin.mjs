// Photographs the overview of the admin site, after a busy day. Needs Python 3, which writes that day into the database.

import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const BUSY_DAY = fileURLToPath(new URL("busy-day.py", import.meta.url));

export async function photographAdmin(site, path) {
  execFileSync("python3", [BUSY_DAY, `${site.folder}/data/meowsenger.sqlite3`]);
  await site.superuser("operator");
  const page = await site.openAdmin("operator", { viewport: { width: 1280, height: 900 }, colorScheme: "light" });
  await page.screenshot({ path });
  await page.context().close();
}
