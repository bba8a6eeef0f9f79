// The dashboard as a person meets it: in Chromium, on a desktop and a phone, light and dark, and without JavaScript.
// `cargo xtask test --only browser` starts the server and runs this beside the pinned packages of package-lock.json.
//
// A new page is a row in PAGES.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";

import axe from "axe-core";
import { chromium } from "playwright-core";

/** Every page: its path, the name of its screenshots, and whether one signs in first. */
const PAGES = [
  { path: "/sign-in", name: "sign-in", signedIn: false },
  { path: "/sign-up", name: "sign-up", signedIn: false },
  { path: "/", name: "overview", signedIn: true },
];

const DESKTOP = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

const VISITS = [
  { name: "desktop-light", options: { ...DESKTOP, colorScheme: "light" } },
  { name: "desktop-dark", options: { ...DESKTOP, colorScheme: "dark" } },
  { name: "phone-light", options: { ...PHONE, colorScheme: "light" } },
  { name: "phone-dark", options: { ...PHONE, colorScheme: "dark" } },
  { name: "desktop-no-script", options: { ...DESKTOP, colorScheme: "light", javaScriptEnabled: false } },
  { name: "phone-no-script", options: { ...PHONE, colorScheme: "light", javaScriptEnabled: false } },
];

const AXE_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const PAGE_LIMIT_BYTES = 50_000;
const ANSWER_LIMIT_MS = 15_000;

const base = required("PLINTH_URL");
const email = required("PLINTH_EMAIL");
const password = required("PLINTH_PASSWORD");
const screenshots = required("PLINTH_SCREENSHOTS");

let browser;

before(async () => {
  await mkdir(screenshots, { recursive: true });
  browser = await chromium.launch({
    executablePath: required("CHROMIUM"),
    args: [
      // Root, as in a container, cannot have Chromium's sandbox; the only pages opened are our own.
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-quic",
      "--disable-sync",
    ],
  });
});

after(() => browser?.close());

for (const visit of VISITS) {
  test(visit.name, async (t) => {
    const context = await browser.newContext({ ...visit.options, baseURL: base });
    context.setDefaultTimeout(ANSWER_LIMIT_MS);
    try {
      for (const signedIn of [false, true]) {
        if (signedIn) await t.test("sign in", () => signIn(context));
        for (const page of PAGES.filter((it) => it.signedIn === signedIn)) {
          await t.test(page.path, () => look(context, visit, page));
        }
      }
    } finally {
      await context.close();
    }
  });
}

/** Fills in the form as a person would. */
async function signIn(context) {
  const page = await context.newPage();
  await page.goto("/sign-in");
  await page.fill("input[name=email]", email);
  await page.fill("input[name=password]", password);
  await Promise.all([page.waitForURL((url) => url.pathname !== "/sign-in"), page.press("input[name=password]", "Enter")]);
  await page.close();
}

/** Opens one page, takes its picture, and fails with everything that is wrong with it. */
async function look(context, visit, { path, name }) {
  const page = await context.newPage();
  const problems = [];
  page.on("console", (message) => message.type() === "error" && problems.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => problems.push(`script: ${error.message}`));
  page.on("request", (request) => isOurs(request.url()) || problems.push(`asks another host: ${request.url()}`));

  const response = await page.goto(path, { waitUntil: "load" });
  await page.screenshot({ path: join(screenshots, `${name}-${visit.name}.png`), fullPage: true });

  const landed = new URL(page.url()).pathname;
  if (response.status() !== 200) problems.push(`status ${response.status()}`);
  if (landed !== path) problems.push(`went to ${landed} instead`);
  const size = (await response.body()).length;
  if (size > PAGE_LIMIT_BYTES) problems.push(`${size} bytes of HTML, more than ${PAGE_LIMIT_BYTES}`);
  if ((await page.locator("h1").count()) !== 1) problems.push("not exactly one h1");
  const excess = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (excess > 0) problems.push(`${excess} px wider than the window`);
  if (visit.options.javaScriptEnabled !== false) problems.push(...(await accessibilityProblems(page)));

  await page.close();
  assert.deepEqual(problems, []);
}

async function accessibilityProblems(page) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate((rules) => window.axe.run(document, { runOnly: rules }), AXE_RULES);
  return violations.map((it) => `axe ${it.id}: ${it.help}: ${it.nodes.map((node) => node.target.join(" ")).join(", ")}`);
}

function isOurs(url) {
  return url.startsWith("data:") || new URL(url).origin === new URL(base).origin;
}

function required(name) {
  const value = process.env[name];
  assert.ok(value, `the environment variable ${name} is missing; start this with \`cargo xtask test --only browser\``);
  return value;
}
