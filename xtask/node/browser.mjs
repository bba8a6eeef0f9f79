// The dashboard as a person meets it: in Chromium, on a desktop and a phone, light and dark, and without JavaScript.
// `cargo xtask test --only browser` starts the server and runs this beside the pinned packages of package-lock.json.
//
// Before the visits somebody walks the first run with a pointer and a keyboard, up to a call that is counted: the pages
// are looked at with what they made. A new page is a row in PAGES.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";

import axe from "axe-core";
import { chromium } from "playwright-core";

/** Every page: the name of its screenshots, its path among what the first run made, and whether one signs in first. */
const PAGES = [
  { name: "sign-in", path: () => "/sign-in", signedIn: false },
  { name: "sign-up", path: () => "/sign-up", signedIn: false },
  { name: "operator", path: () => "/operator?token=", signedIn: false },
  { name: "overview", path: (at) => `${at.workspace}?${at.mode}` },
  { name: "overview-live", path: (at) => `${at.workspace}?mode=live` },
  { name: "account", path: () => "/account" },
  { name: "workspaces", path: () => "/workspaces" },
  { name: "workspace-new", path: () => "/workspaces/new" },
  { name: "platforms", path: (at) => `${at.workspace}/platforms` },
  { name: "platform-new", path: (at) => `${at.workspace}/platforms/new` },
  { name: "platform", path: (at) => `${at.platform}?${at.mode}` },
  { name: "features", path: (at) => `${at.platform}/features?${at.mode}` },
  { name: "feature-new", path: (at) => `${at.platform}/features/new?${at.mode}` },
  { name: "feature", path: (at) => at.feature },
  { name: "plans", path: (at) => `${at.platform}/plans?${at.mode}` },
  { name: "plan-new", path: (at) => `${at.platform}/plans/new?${at.mode}` },
  { name: "plan-group-new", path: (at) => `${at.platform}/plans/groups/new?${at.mode}` },
  { name: "plan", path: (at) => at.plan },
  { name: "customers", path: (at) => `${at.platform}/customers?${at.mode}` },
  { name: "customers-empty", path: (at) => `${at.platform}/customers?mode=live` },
  { name: "customer-new", path: (at) => `${at.platform}/customers/new?${at.mode}` },
  { name: "customer", path: (at) => at.customer },
  { name: "customer-edit", path: (at) => at.customer.replace("?", "/edit?") },
  { name: "entitlement", path: (at) => at.customer.replace("?", "/entitlements/calls?") },
  { name: "entitlement-grants", path: (at) => at.customer.replace("?", "/entitlements/tokens?") },
  { name: "override-new", path: (at) => at.customer.replace("?", "/overrides/new?") },
  { name: "grants", path: (at) => at.customer.replace("?", "/grants?") },
  { name: "grant-new", path: (at) => at.customer.replace("?", "/grants/new?") },
  { name: "customer-key", path: (at) => at.customerKey },
  { name: "customer-key-new", path: (at) => at.customer.replace("?", "/keys/new?") },
  { name: "customer-key-edit", path: (at) => at.customerKey.replace("?", "/edit?") },
  { name: "usage", path: (at) => `${at.platform}/usage?${at.mode}` },
  { name: "usage-by-model", path: (at) => `${at.platform}/usage?${at.mode}&feature=tokens&by=model&span=24h` },
  { name: "usage-of-one", path: (at) => `${at.platform}/usage?${at.mode}&feature=tokens&customer=acme&filter=model:small&span=12m` },
  { name: "usage-unused", path: (at) => `${at.platform}/usage?mode=live` },
  { name: "usage-nobody", path: (at) => `${at.platform}/usage?${at.mode}&customer=nobody` },
  { name: "events", path: (at) => `${at.platform}/usage/events?${at.mode}` },
  { name: "events-none", path: (at) => `${at.platform}/usage/events?${at.mode}&source=backfill` },
  { name: "event", path: (at) => at.event },
  { name: "platform-keys", path: (at) => `${at.platform}/keys?${at.mode}` },
  { name: "platform-settings", path: (at) => `${at.platform}/settings?${at.mode}` },
  { name: "rate-limit-new", path: (at) => `${at.platform}/settings/rate-limits/new?${at.mode}` },
  { name: "rate-limit", path: (at) => at.rateLimit },
  { name: "keys", path: (at) => `${at.workspace}/keys` },
  { name: "key-new", path: (at) => `${at.workspace}/keys/new` },
  { name: "key", path: (at) => at.key },
  { name: "audit", path: (at) => `${at.workspace}/audit` },
  { name: "members", path: (at) => `${at.workspace}/members` },
  { name: "member", path: (at) => at.member },
  { name: "mailbox", path: (at) => `${at.workspace}/mailbox` },
  { name: "settings", path: (at) => `${at.workspace}/settings` },
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
/** What the first run made: paths of its things. */
let at;

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

test("first run", async () => {
  const context = await browser.newContext({ ...DESKTOP, baseURL: base });
  context.setDefaultTimeout(ANSWER_LIMIT_MS);
  try {
    await signIn(context);
    at = await firstRun(context);
  } finally {
    await context.close();
  }
});

for (const visit of VISITS) {
  test(visit.name, async (t) => {
    const context = await browser.newContext({ ...visit.options, baseURL: base });
    context.setDefaultTimeout(ANSWER_LIMIT_MS);
    try {
      for (const signedIn of [false, true]) {
        if (signedIn) await t.test("sign in", () => signIn(context));
        for (const page of PAGES.filter((it) => (it.signedIn ?? true) === signedIn)) {
          await t.test(page.name, () => look(context, visit, page.name, page.path(at)));
        }
      }
    } finally {
      await context.close();
    }
  });
}

test("meters tell what is used while somebody looks, and keep the focus", async () => {
  const context = await browser.newContext({ ...DESKTOP, baseURL: base });
  context.setDefaultTimeout(ANSWER_LIMIT_MS);
  try {
    await signIn(context);
    const page = await context.newPage();
    await page.goto(at.customer);
    const asked = [];
    page.on("request", (request) => request.url().includes("/live?") && asked.push(request.url()));
    const look = (hidden) =>
      page.evaluate(async (hidden) => {
        Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
        document.dispatchEvent(new Event("visibilitychange"));
        await new Promise(requestAnimationFrame);
      }, hidden);
    const meter = page.locator("#live-meters .quota", { hasText: "API calls" });
    const why = meter.locator("a");
    await why.focus();
    await look(true);
    assert.deepEqual(asked, [], "a page that nobody sees asks for nothing");
    const before = Number(await meter.locator("strong").innerText());
    await at.call("/v1/usage/consume", { customer: "acme", feature: "calls" });
    await look(false);
    await meter.locator("strong", { hasText: String(before + 1) }).waitFor();
    assert.ok(asked.length > 0);
    assert.ok(await why.evaluate((link) => link === document.activeElement), "the focus stays where it was");
  } finally {
    await context.close();
  }
});

test("a script's error is told once, without what was entered", async () => {
  const context = await browser.newContext({ ...DESKTOP, baseURL: base });
  context.setDefaultTimeout(ANSWER_LIMIT_MS);
  try {
    const page = await context.newPage();
    const told = [];
    // This server reports to nobody, so its pages tell nothing: here they do, and the test hears them.
    await page.route("**/sign-in**", async (route) => {
      const response = await route.fetch();
      const body = (await response.text()).replace("<html ", '<html data-error-reports="/browser-errors" ');
      await route.fulfill({ response, body });
    });
    await page.route("**/browser-errors", (route) => {
      told.push(route.request().postDataJSON());
      return route.fulfill({ status: 204 });
    });
    await page.goto("/sign-in?next=/account");
    await page.fill("input[name=password]", "hunter2");
    const seen = page.waitForRequest((request) => request.url().endsWith("/browser-errors") && /refused/.test(request.postData()));
    await page.evaluate(() => {
      const script = document.querySelector("script[src*='/assets/app.']").src;
      const fail = (message) => dispatchEvent(new ErrorEvent("error", { error: new TypeError(message), message, filename: `${script}?v=1`, lineno: 7, colno: 3 }));
      for (const message of ["broken", "broken", "broken again"]) fail(message);
      Promise.reject(new RangeError("refused"));
    });
    await seen;
    // The fourth and the fifth, and then no more.
    const fifth = page.waitForRequest((request) => request.url().endsWith("/browser-errors") && /once more: 1"/.test(request.postData()));
    await page.evaluate(() => { for (let n = 0; n < 20; n += 1) setTimeout(() => { throw new Error(`once more: ${n}`); }); });
    await fifth;
    const source = new URL(await page.locator("script[src*='/assets/app.']").getAttribute("src"), base).pathname;
    const broken = { kind: "TypeError", source, line: 7, column: 3, page: "/sign-in" };
    assert.deepEqual(told.slice(0, 3), [
      { ...broken, message: "broken" },
      { ...broken, message: "broken again" },
      { kind: "RangeError", message: "refused", source: null, line: null, column: null, page: "/sign-in" },
    ]);
    assert.ok(told.length <= 5, `${told.length} reports`);
    assert.ok(!JSON.stringify(told).includes("hunter2"));
  } finally {
    await context.close();
  }
});

/** Fills in the form as a person would. */
async function signIn(context) {
  const page = await context.newPage();
  await page.goto("/sign-in");
  await page.fill("input[name=email]", email);
  await page.fill("input[name=password]", password);
  await Promise.all([page.waitForURL((url) => url.pathname !== "/sign-in"), page.press("input[name=password]", "Enter")]);
  await page.close();
}

/** From an empty workspace to a call that is counted, as a newcomer would; tells where what they made is. */
async function firstRun(context) {
  const page = await context.newPage();
  await page.goto("/");
  const workspace = new URL(page.url()).pathname;
  await page.fill("input[name=name]", "Weather API");
  await page.click("text=Create platform");
  await page.click("text=Make them for me");
  await page.click("button:has-text('Create key')");
  const command = await page.locator("pre code").innerText();
  const secret = command.match(/sk_test_\w+/)[0];
  const call = async (path, body) => {
    const headers = { authorization: `Bearer ${secret}`, "content-type": "application/json" };
    const answer = await fetch(new URL(path, base), { method: "POST", headers, body: JSON.stringify(body) });
    assert.ok(answer.ok, await answer.text());
  };
  await call("/v1/usage/consume", { customer: "acme", feature: "calls" });
  // The page notices by itself.
  await page.waitForSelector("text=Your first call has arrived");

  const mode = "mode=test";
  const first = async (path) => {
    await page.goto(path);
    return page.locator("table a").first().getAttribute("href");
  };
  await page.goto(`${workspace}/platforms`);
  const named = page.locator("table a", { hasText: "Weather API" });
  const platform = new URL(await named.getAttribute("href"), base).pathname;
  const customer = await first(`${platform}/customers?${mode}`);
  await sellTokens(page, `${platform}/features/new?${mode}`, customer, call);
  const made = {
    call,
    mode,
    workspace,
    platform,
    feature: await first(`${platform}/features?${mode}`),
    plan: await first(`${platform}/plans?${mode}`),
    customer,
    customerKey: await issueKey(page, customer),
    event: await first(`${platform}/usage/events?${mode}&feature=tokens`),
    rateLimit: await limitRate(page, `${platform}/settings`, mode),
    key: await first(`${workspace}/keys`),
    member: await first(`${workspace}/members`),
  };
  await page.close();
  return made;
}

/** A second feature, broken down by model, with a history, a grant and a hold, so that pages have something to show. */
async function sellTokens(page, newFeature, customer, call) {
  const at = (path) => customer.replace("?", `${path}?`);
  await fillIn(page, newFeature, { name: "Tokens", key: "tokens", unit: "token", dimensions: "model, region" }, "Create feature");
  await fillIn(page, at("/overrides/new"), { feature: "tokens", limit: "250000", reason: "As agreed." }, "Put in force");
  await fillIn(page, at("/grants/new"), { feature: "tokens", amount: "100000", reason: "Bought in November.", expires_at: "2099-12-31" }, "Give grant");
  const models = { small: [9000, 12000, 4200], large: [48000, 61000], "vision-preview-2026": [3100], "embed & rank": [700, 900] };
  for (const [model, amounts] of Object.entries(models)) {
    for (const amount of amounts) {
      await call("/v1/usage/consume", { customer: "acme", end_user: "ada", feature: "tokens", amount, dimensions: { model, region: "eu" } });
    }
  }
  await call("/v1/usage/consume", { customer: "acme", feature: "tokens", amount: 500 });
  await call("/v1/usage/holds", { customer: "acme", feature: "tokens", amount: 40000, lasts_secs: 604800 });
}

/** Gives the customer a key; tells where its page is. */
async function issueKey(page, customer) {
  const wanted = {
    name: "Production", permissions: "documents.read\ndocuments.write", "rate_limits[0].limit": "600", "rate_limits[0].burst": "60",
    "credits.amount": "10000", "credits.refill.period": "month", "limits[0].amount": "3",
  };
  await fillIn(page, customer.replace("?", "/keys/new?"), wanted, "Issue key");
  await page.waitForSelector("text=It is shown this once");
  await page.screenshot({ path: join(screenshots, "customer-key-made-desktop-light.png"), fullPage: true });
  await page.click("text=I have passed it on");
  return page.locator("table a", { hasText: "Production" }).getAttribute("href");
}

async function limitRate(page, settings, mode) {
  const wanted = { name: "Rendering", limit: "120", burst: "20", feature: "calls", route: "POST /render" };
  await fillIn(page, `${settings}/rate-limits/new?${mode}`, wanted, "Make rate limit");
  return page.locator("table a", { hasText: "Rendering" }).getAttribute("href");
}

/** Fills in a page's form by the names of its fields, and sends it. */
async function fillIn(page, path, fields, verb) {
  await page.goto(path);
  for (const [name, value] of Object.entries(fields)) {
    const field = page.locator(`main [name="${name}"]`);
    const isSelect = await field.evaluate((element) => element instanceof HTMLSelectElement);
    if (isSelect) await field.selectOption(value);
    else await field.fill(value);
  }
  await Promise.all([page.waitForResponse((response) => response.request().method() === "POST"), page.click(`main button:has-text("${verb}")`)]);
  await page.waitForLoadState();
}

/** Opens one page, takes its picture, and fails with everything that is wrong with it. */
async function look(context, visit, name, path) {
  const page = await context.newPage();
  const problems = [];
  page.on("console", (message) => message.type() === "error" && problems.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => problems.push(`script: ${error.message}`));
  page.on("request", (request) => isOurs(request.url()) || problems.push(`asks another host: ${request.url()}`));

  const response = await page.goto(path, { waitUntil: "load" });
  await page.screenshot({ path: join(screenshots, `${name}-${visit.name}.png`), fullPage: true });

  const landed = new URL(page.url()).pathname;
  const expected = new URL(path, base).pathname;
  if (response.status() !== 200) problems.push(`status ${response.status()}`);
  if (landed !== expected) problems.push(`went to ${landed} instead`);
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
