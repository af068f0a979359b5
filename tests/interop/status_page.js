// SPDX-License-Identifier: Apache-2.0
//
// status_page.js URL SCRIPT [PICTURES]: opens the status page in Chromium, does what the functions of
// SCRIPT (JSON on the command line, a list of [name, ...arguments]) say, and prints what was seen as
// one JSON object. With a folder PICTURES, the page is drawn there in light and dark at the end.

const dgram = require("node:dgram");
const { chromium } = require("playwright-core");

const FLAGS = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update",
  "--disable-background-networking", "--disable-sync", "--font-render-hinting=none"];

const actions = {
  // Wait until an element's text has this in it.
  async see(page, selector, text, seen, ms = 20000) {
    await page.waitForFunction(([at, wanted]) =>
      [...document.querySelectorAll(at)].some((node) => node.textContent.includes(wanted)),
    [selector, text], { timeout: ms });
  },
  // Not only with its next turn.
  async soon(page, selector, text, seen) {
    await actions.see(page, selector, text, seen, 5000);
  },
  async gone(page, selector, text) {
    await page.waitForFunction(([at, wanted]) =>
      ![...document.querySelectorAll(at)].some((node) => node.textContent.includes(wanted)),
    [selector, text], { timeout: 20000 });
  },
  // A datagram to the server, while the page is open.
  async send(page, port, text) {
    const socket = dgram.createSocket("udp4");
    await new Promise((sent) => { socket.send(text, Number(port), "127.0.0.1", sent); });
    socket.close();
  },
  async type(page, selector, text) {
    await page.fill(selector, text);
  },
  async key(page, key) {
    await page.keyboard.press(key);
  },
  async focus(page, selector) {
    await page.focus(selector);
  },
  // The cells of each row of the tables in there.
  async rows(page, name, selector, seen) {
    seen[name] = await page.$$eval(`${selector} tr`, (rows) =>
      rows.map((row) => [...row.cells].map((cell) => cell.textContent)));
  },
  async attributes(page, name, selector, attribute, seen) {
    seen[name] = await page.$$eval(selector, (nodes, of) => nodes.map((node) => node.getAttribute(of)),
      attribute);
  },
  // How an element looks in light and in dark.
  async looks(page, name, selector, property, seen) {
    seen[name] = [];
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      seen[name].push(await page.$eval(selector, (node, of) => getComputedStyle(node)[of], property));
    }
  },
  // As one who was passed on by a proxy.
  async proxied(page) {
    await page.setExtraHTTPHeaders({ "X-Forwarded-For": "192.0.2.1" });
  },
  // From here on the browser may say on the console that something was refused or not answered.
  async excuse(page, seen) {
    seen.excused = true;
  },
  async unplug(page, seen) {
    seen.excused = true;
    await page.route("**/*", (route) => route.abort());
  },
  // As a tab in the background, and as one that is looked at again; how many requests that makes.
  async hide(page, name, hidden, seen) {
    const before = seen.asked.length;
    await page.evaluate((is) => {
      Object.defineProperty(document, "hidden", { value: is === "yes", configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
    await page.waitForTimeout(300);
    seen[name] = seen.asked.length - before;
  },
  // How many requests are sent in so many milliseconds.
  async quiet(page, name, ms, seen) {
    const before = seen.asked.length;
    await page.waitForTimeout(Number(ms));
    seen[name] = seen.asked.length - before;
  },
  // What the tab key reaches, in order.
  async tab(page, name, n, seen) {
    seen[name] = [];
    for (let i = 0; i < Number(n); i++) {
      await page.keyboard.press("Tab");
      seen[name].push(await page.evaluate(() => {
        const at = document.activeElement;
        return at.id || at.getAttribute("aria-label") || at.textContent.trim().slice(0, 40);
      }));
    }
  },
  async texts(page, name, selector, seen) {
    seen[name] = await page.$$eval(selector, (nodes) => nodes.map((node) => node.textContent));
  },
  async count(page, name, selector, seen) {
    seen[name] = await page.$$eval(selector, (nodes) => nodes.length);
  },
  // The page as assistive software sees it: what has a role but no name.
  async nameless(page, name, seen) {
    seen[name] = await page.$$eval("button, a, input, textarea, [role=img], [role=region]", (nodes) =>
      nodes.filter((node) => !(node.textContent.trim() || node.getAttribute("aria-label")
        || (node.labels && node.labels.length))).map((node) => node.outerHTML.slice(0, 100)));
  },
};

async function main() {
  const [url, script, pictures] = process.argv.slice(2);
  const root = process.getuid() === 0; // whose Chromium starts without a sandbox only
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: root ? [...FLAGS, "--no-sandbox"] : FLAGS,
  });
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, timezoneId: "UTC" });
  const seen = { wrong: [], asked: [] };
  page.on("console", (said) => {
    if (!seen.excused || !said.text().startsWith("Failed to load resource"))
      seen.wrong.push(`${said.type()}: ${said.text()}`);
  });
  page.on("pageerror", (error) => seen.wrong.push(String(error)));
  page.on("dialog", async (dialog) => { seen.wrong.push("dialog"); await dialog.dismiss(); });
  page.on("request", (request) => seen.asked.push(request.url()));
  try {
    await page.goto(url);
    for (const [name, ...words] of JSON.parse(script)) {
      seen.at = [name, ...words];
      await actions[name](page, ...words, seen);
    }
  } catch (error) {
    seen.failed = String(error);
    seen.text = await page.innerText("body").catch(() => "");
  }
  for (const scheme of pictures ? ["light", "dark"] : []) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.screenshot({ path: `${pictures}/status-${scheme}.png`, fullPage: true });
  }
  await browser.close();
  process.stdout.write(`${JSON.stringify(seen)}\n`);
}

main();
