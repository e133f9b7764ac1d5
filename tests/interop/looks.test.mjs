// Every page, as it looks: light, dark and on a phone, with scripts and without, in German, and turned round; and what its headers
// forbid.
//
// To add a page, add a line to PAGES.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { LOOKS, assertLooks, assertTurns } from "./look.mjs";
import { PASSWORD, Person, launch } from "./person.mjs";
import { startPortcullis } from "./portcullis.mjs";
import { Visit } from "./visit.mjs";

const RESOURCE = "http://127.0.0.1:9000/looks/mcp";
const REDIRECT = "http://127.0.0.1/callback";

let browser;
let server;
let clientId;

before(async () => {
  browser = await launch();
  const settings = { PORTCULLIS_MAIL: "folder", PORTCULLIS_REQUIRE_VERIFIED_EMAIL: "on" };
  // Passkeys are bound to a name.
  server = await startPortcullis("looks", settings, "localhost");
  await server.registerResource(RESOURCE, "Records of Widgetworks", [
    { name: "records.read", description: "Read your records", default: true },
    { name: "records.list", description: "List your records and those that are shared with you", optional: true },
    { name: "records.write", description: "Change your records", implies: ["records.read"], optional: true },
  ]);
  clientId = await server.registerClient([REDIRECT], "Quill, the editor");
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Each page: how to reach it, and what is on it and on no page that could be taken for it. */
const PAGES = {
  "landing": [(visit) => visit.open("/"), "h1"],
  "log-in": [(visit) => visit.open("/login"), "input[autocomplete=current-password]"],
  "log-in, refused": [
    async (visit) => {
      await visit.open("/login");
      await visit.fill({ email: visit.email, password: "not the password at all" });
      await visit.submit();
    },
    "input[autocomplete=current-password][aria-invalid]",
  ],
  "logged in": [
    async (visit) => {
      await visit.logIn();
      await visit.open("/login");
    },
    'form[action$="/logout"]',
  ],
  "logged out": [
    async (visit) => {
      await visit.logIn();
      await visit.open("/login");
      await visit.press('form[action$="/logout"] button');
    },
    'a[href$="/login"]',
  ],
  "error": [(visit) => visit.authorize("records.read", "http://127.0.0.1/elsewhere"), "h1"],

  "sign-up": [(visit) => visit.open("/signup"), "input[name=name]"],
  "sign-up, refused": [(visit) => visit.signUp("password123"), "[aria-invalid]"],
  "sign-up, letter sent": [(visit) => visit.signUp(), "h1"],
  "confirm an address": [(visit) => visit.confirm(), "input[autocomplete=current-password]"],
  "confirm an address, refused": [
    async (visit) => {
      await visit.confirm();
      await visit.fill({ password: "not the password at all" });
      await visit.submit();
    },
    "[aria-invalid]",
  ],
  "an address is confirmed": [
    async (visit) => {
      await visit.confirm();
      await visit.fill({ password: PASSWORD });
      await visit.submit();
    },
    "h1",
  ],
  "confirm a new address": [
    async (visit) => {
      await visit.logIn();
      const email = `ada.${randomUUID()}@example.com`;
      await visit.ask("/auth/email", { email, password: PASSWORD });
      await visit.follow("/verify", email);
    },
    "input[name=ticket]",
  ],
  "consent before the address is confirmed": [
    async (visit) => {
      await server.administer("/api/users", { email: visit.email, name: visit.name, password: PASSWORD });
      await visit.ask("/auth/login", { email: visit.email, password: PASSWORD });
      await visit.authorize("records.read");
    },
    "input[name=again]",
  ],
  "invitation": [
    async (visit) => {
      await server.administer("/api/invitations", { email: visit.email });
      await visit.follow("/invitation");
    },
    "input[name=email][readonly]",
  ],
  "dead link": [(visit) => visit.open(`/verify?ticket=tkt_${"x".repeat(72)}`), "h1"],

  "forgotten password": [(visit) => visit.open("/forgot"), "input[name=email]"],
  "forgotten password, letter sent": [(visit) => visit.forget(), "h1"],
  "new password": [(visit) => visit.reset(), "input[autocomplete=new-password]"],
  "new password, refused": [
    async (visit) => {
      await visit.reset();
      await visit.fill({ password: "password123" });
      await visit.submit();
    },
    "[aria-invalid]",
  ],
  "new password, set": [
    async (visit) => {
      await visit.reset();
      await visit.fill({ password: "an otter in my kettle" });
      await visit.submit();
    },
    "a.button",
  ],

  "change the password": [
    async (visit) => {
      await visit.logIn();
      await visit.open("/account/password");
    },
    "input[name=new_password]",
  ],
  "change the password, refused": [
    async (visit) => {
      await visit.logIn();
      await visit.open("/account/password");
      await visit.fill({ password: PASSWORD, new_password: "password123" });
      await visit.submit();
    },
    "input[name=new_password][aria-invalid]",
  ],
  "change the address": [
    async (visit) => {
      await visit.logIn();
      await visit.open("/account/email");
    },
    "input[name=email]",
  ],
  "change the address, refused": [
    async (visit) => {
      await visit.logIn();
      await visit.open("/account/email");
      await visit.fill({ email: `ada.${randomUUID()}@example.com`, password: "not the password at all" });
      await visit.submit();
    },
    "input[name=password][aria-invalid]",
  ],
  "change the address, letter sent": [
    async (visit) => {
      await visit.logIn();
      await visit.open("/account/email");
      await visit.fill({ email: `ada.${randomUUID()}@example.com`, password: PASSWORD });
      await visit.submit();
    },
    'a[href$="/account"]',
  ],
  "deletion of one's account": [
    async (visit) => {
      await visit.logIn();
      await visit.open("/account/delete");
    },
    "input[autocomplete=current-password]",
  ],
  "deletion of one's account, refused": [
    async (visit) => {
      await visit.logIn();
      await visit.open("/account/delete");
      await visit.fill({ password: "not the password at all" });
      await visit.press('form[action$="/account/delete"] button');
    },
    "[role=alert]",
  ],

  "take back a change": [
    async (visit) => {
      await visit.addApp();
      await visit.follow("/take-back");
    },
    'form[action$="/take-back"]',
  ],
  "second step": [(visit) => visit.half(), "input[name=code]"],
  "second step, refused": [
    async (visit) => {
      await visit.half();
      await visit.fill({ code: "000000" });
      await visit.submit();
    },
    "[aria-invalid]",
  ],
  "security": [
    async (visit) => {
      await visit.logIn();
      await visit.open("/account/security");
    },
    "button[value=add_app]",
  ],
  "security with a QR code": [(visit) => visit.beginApp(), "svg.qr"],
  "security with a QR code, refused": [
    async (visit) => {
      await visit.beginApp();
      await visit.fill({ code: "000000" });
      await visit.prove();
      await visit.press("button[value=confirm_app]");
    },
    "[aria-invalid]",
  ],
  "security with codes": [(visit) => visit.addApp(), ".codes"],
  "security with passkeys": [
    async (visit) => {
      await visit.logIn();
      for (const name of ["Laptop", "Key ring"]) await visit.addPasskey(name);
      await visit.open("/account/security");
    },
    "button[value=remove_passkey]",
  ],

  "consent": [(visit) => visit.consent("records.read"), "button[value=allow]"],
  "consent with optional permissions": [
    (visit) => visit.consent("records.read records.list records.write offline_access"),
    "input[name=scope]",
  ],
  "consent to more": [
    async (visit) => {
      await visit.connect("records.read records.list");
      await visit.authorize("records.read records.list records.write");
      await visit.press("summary");
    },
    "details[open]",
  ],
  "moving on": [(visit) => visit.allow("records.read"), 'a[href*="/oauth/continue/"]'],
  "account": [
    async (visit) => {
      await visit.connect("records.read");
      await visit.open("/account");
    },
    'a[href*="/account/connections/"]',
  ],
  "account, when the log-in was too long ago to end everything": [
    async (visit) => {
      await visit.logInAgo(16 * 60);
      await visit.open("/account");
    },
    '[aria-labelledby=everything] a.button[href*="/login?"]',
  ],
  "log-in, once more": [
    async (visit) => {
      await visit.logInAgo(16 * 60);
      await visit.open("/account/delete");
    },
    'form[action$="/login"] input[name=email]',
  ],
  "connection": [
    async (visit) => {
      await visit.connect("records.read records.list records.write");
      await visit.open("/account");
      await visit.press('a[href*="/account/connections/"]');
    },
    "input[name=label]",
  ],
};

/** Keeps what comes with each page that is opened from now on: `POST /login` and so on, with its headers. */
function pagesOf(page) {
  const seen = new Map();
  page.on("response", (response) => {
    const type = response.headers()["content-type"] ?? "";
    if (!response.url().startsWith(`${server.issuer}/`) || !type.startsWith("text/html")) return;
    seen.set(`${response.request().method()} ${new URL(response.url()).pathname}`, response.headers());
  });
  return seen;
}

/** No inline scripts, no framing, no caching, and no address that leaks. */
function assertGuarded(seen) {
  assert.ok(seen.size > 0, "no page came");
  for (const [page, headers] of seen) {
    const policy = headers["content-security-policy"] ?? "";
    assert.match(policy, /frame-ancestors 'none'/, page);
    assert.match(policy, /form-action '(self|none)'/, page);
    assert.match(policy, /default-src 'none'/, page);
    const scripts = policy.split(";").find((rule) => rule.trim().startsWith("script-src")) ?? "";
    assert.doesNotMatch(scripts, /unsafe/, page);
    assert.match(headers["cache-control"] ?? "", /no-store/, page);
    assert.match(headers["referrer-policy"] ?? "", /^(no-referrer|same-origin|strict-origin)$/, page);
    assert.equal(headers["x-content-type-options"], "nosniff", page);
    assert.equal(headers["access-control-allow-origin"], undefined, page);
  }
}

/** What a browser without scripts makes of the page that is open, in one that has scripts, for axe-core is one. */
async function twin(page, context) {
  const other = await browser.newContext();
  context.after(() => other.close());
  const body = (await page.content()).replaceAll(/<script.*?<\/script>|<\/?noscript>|<meta http-equiv.*?>/gs, "");
  const copy = await other.newPage();
  await copy.route(page.url(), (route) => route.fulfill({ contentType: "text/html; charset=utf-8", body }));
  await copy.goto(page.url());
  return copy;
}

const WAYS = {
  "with scripts": { looks: Object.keys(LOOKS), turned: Object.keys(LOOKS).filter((look) => look !== "dark") },
  "without scripts": { looks: Object.keys(LOOKS), turned: [], options: { javaScriptEnabled: false } },
  "in German": { looks: ["phone"], turned: [], options: { locale: "de-AT" } },
};

for (const [way, { looks, turned, options }] of Object.entries(WAYS)) {
  describe(way, { concurrency: 4 }, () => {
    for (const [name, [reach, mark]] of Object.entries(PAGES)) {
      test(name, async (context) => {
        const person = await Person.with(browser, options);
        context.after(() => person.leave());
        const seen = pagesOf(person.page);
        await reach(new Visit(server, { clientId, redirectUri: REDIRECT, resource: RESOURCE }, person));
        await person.page.locator(mark).first().waitFor({ state: "attached" });
        const readable = options?.javaScriptEnabled === false ? await twin(person.page, context) : person.page;
        for (const look of looks) await assertLooks(person.page, look, `${name}, ${way}`, readable);
        for (const look of turned) await assertTurns(person.page, look, name);
        assertGuarded(seen);
        // The status of a page that refuses shows in the console as a failed load.
        person.complaints = person.complaints.filter((line) => !line.includes("Failed to load resource"));
        person.assertContent();
      });
    }
  });
}
