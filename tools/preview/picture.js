// SPDX-License-Identifier: Apache-2.0
//
// picture.js DATA PICTURES: a picture of each dashboard whose answers are in the folder DATA.
//
// The page is served by nobody: each of its requests is answered from files here, and those that
// ask for anything else fail. So nothing is fetched from a network.

import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { chromium } from "playwright-core";

const ORIGIN = "http://preview.invalid/";
const ICONS = "public/img/icons/";
const PAGE = '<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="/app.css">'
  + '<div id="app"></div><script src="/app.js"></script>';
const FLAGS = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update",
  "--disable-background-networking", "--disable-sync", "--font-render-hinting=none"];

async function body(wanted, data) {
  if (wanted === "") return { contentType: "text/html", body: PAGE };
  const [contentType, file] = {
    "app.js": ["text/javascript", "app.js"],
    "app.css": ["text/css", "app.css"],
    "data.json": ["application/json", data],
  }[wanted] ?? [];
  if (file) return { contentType, body: await readFile(file) };
  const icon = wanted.indexOf(ICONS);
  if (icon >= 0 && !wanted.includes("..")) {
    const drawing = path.join("node_modules/@grafana/ui/dist", wanted.slice(icon));
    return { contentType: "image/svg+xml", body: await readFile(drawing) };
  }
  throw new Error(`nobody has ${wanted}`);
}

async function draw(browser, data, picture) {
  const page = await browser.newPage({ viewport: { width: 1600, height: 900 }, timezoneId: "UTC" });
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(error.stack ?? String(error)));
  await page.route("**/*", async (route) => {
    try {
      await route.fulfill(await body(route.request().url().slice(ORIGIN.length), data));
    } catch {
      await route.abort();
    }
  });
  await page.goto(ORIGIN);
  try {
    await page.waitForSelector("#app[data-drawn]", { timeout: 30000 });
  } catch (error) {
    throw new Error(`${data} was not drawn: ${wrong.join("\n") || error}`);
  }
  await page.waitForTimeout(500); // icons, and the last frame of the canvases
  await page.locator("#app").screenshot({ path: picture });
  await page.close();
  if (wrong.length) throw new Error(`${data}: ${wrong.join("\n")}`);
}

const [folder, pictures] = process.argv.slice(2);
const root = process.getuid() === 0; // whose Chromium starts without a sandbox only
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: root ? [...FLAGS, "--no-sandbox"] : FLAGS,
});
try {
  for (const name of (await readdir(folder)).sort()) {
    await draw(browser, path.join(folder, name), path.join(pictures, name.replace(/json$/, "png")));
  }
} finally {
  await browser.close();
}
