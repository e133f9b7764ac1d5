// The pages in a real browser. Whatever Chromium blocks or complains about fails the test.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { listen } from "./callback.mjs";
import { PASSWORD, Person, launch } from "./person.mjs";
import { authorization, issuer, redeem, registerClient, registerResource } from "./server.mjs";

const RESOURCE = "http://127.0.0.1:9000/pages/mcp";

let browser;
let callback;
let clientId;
const people = [];

before(async () => {
  browser = await launch();
  await registerResource(RESOURCE, "Pages files");
  clientId = await registerClient(["http://127.0.0.1/callback"], "Pages client");
});
after(() => browser?.close());

// Each test listens on a port of its own, which a native client may (RFC 8252 section 7.3).
beforeEach(async () => {
  callback = await listen();
});
afterEach(async () => {
  for (const person of people.splice(0)) await person.leave();
  await callback.close();
  assert.equal(callback.unread, 0, "the client got an answer that nobody waited for");
});

async function somebody(options) {
  const person = await Person.with(browser, options);
  people.push(person);
  return person;
}

function request(more) {
  return authorization({ clientId, redirectUri: callback.redirectUri, resource: RESOURCE, ...more });
}

/** Waits until the browser has come to the client, checks what every answer must hold, and gives its query. */
async function answerTo(asked, person) {
  const answer = await callback.next();
  await person.page.waitForURL((url) => url.href === answer.href);
  assert.equal(answer.method, "GET");
  assert.equal(answer.searchParams.get("state"), asked.state);
  assert.equal(answer.searchParams.get("iss"), issuer);
  for (const name of answer.searchParams.keys()) assert.equal(answer.searchParams.getAll(name).length, 1, name);
  return answer.searchParams;
}

async function assertCode(asked, person) {
  const query = await answerTo(asked, person);
  assert.equal(query.get("error"), null, query.get("error_description"));
  const tokens = await redeem(asked, query.get("code"));
  assert.ok(tokens.access_token);
}

async function assertDenied(asked, person) {
  const query = await answerTo(asked, person);
  assert.equal(query.get("error"), "access_denied");
  assert.equal(query.get("code"), null);
}

test("a newcomer signs up, allows, and the client gets a code with state and iss", async () => {
  const person = await somebody();
  const asked = await request();
  await person.reachConsent(asked.url);

  const text = await person.page.locator("body").innerText();
  for (const shown of ["Pages client", "Pages files", "Read your files", "127.0.0.1"]) {
    assert.ok(text.includes(shown), `the consent page does not say "${shown}":\n${text}`);
  }
  await person.allow();
  await assertCode(asked, person);
  person.assertContent();
});

test("deny arrives at the client as access_denied", async () => {
  const person = await somebody();
  const asked = await request();
  await person.reachConsent(asked.url);
  await person.deny();
  await assertDenied(asked, person);
  person.assertContent();
});

test("deny works with every field empty", async () => {
  const person = await somebody();
  const asked = await request();
  await person.reachConsent(asked.url);
  await person.page.evaluate(() => {
    for (const field of document.querySelectorAll("input:not([type=hidden]), textarea")) {
      if (field.type === "checkbox" || field.type === "radio") field.checked = false;
      else field.value = "";
    }
  });
  await person.deny();
  await assertDenied(asked, person);
  person.assertContent();
});

test("the Enter key in the consent form allows", async () => {
  const person = await somebody();
  const asked = await request();
  await person.reachConsent(asked.url);
  const form = person.page.locator("form").filter({ has: person.button("Allow") });
  // A field submits by the first button of its form; with no field, that button is where the keyboard arrives first.
  const submits = form.locator("button:not([type=button]), input[type=submit]");
  assert.match(await submits.first().innerText(), /^\s*Allow\s*$/);
  await form.locator("input:not([type=hidden]), button").first().focus();
  await person.page.keyboard.press("Enter");
  await assertCode(asked, person);
  person.assertContent();
});

test("the Tab key alone leads to Allow, and the focus can be seen", async () => {
  const person = await somebody();
  const asked = await request();
  await person.reachConsent(asked.url);
  const focused = () => person.page.evaluate(() => document.activeElement?.textContent?.trim());
  for (let steps = 0; (await focused()) !== "Allow"; steps += 1) {
    assert.ok(steps < 30, "thirty steps of the Tab key did not reach Allow");
    await person.page.keyboard.press("Tab");
  }
  const outline = await person.button("Allow").evaluate((button) => {
    const style = getComputedStyle(button);
    return style.outlineStyle !== "none" || style.boxShadow !== "none";
  });
  assert.ok(outline, "the focused button looks like any other");
  await person.page.keyboard.press("Enter");
  await assertCode(asked, person);
  person.assertContent();
});

test("everything works without JavaScript", async () => {
  const person = await somebody({ javaScriptEnabled: false });
  const asked = await request();
  await person.reachConsent(asked.url);
  await person.allow();
  await assertCode(asked, person);
  person.assertContent();
});

test("somebody with an account logs in; a wrong password stays on the page and says so", async () => {
  const person = await somebody();
  const first = await request();
  await person.reachConsent(first.url);
  await person.deny();
  await assertDenied(first, person);
  await person.context.clearCookies();

  const asked = await request();
  await person.open(asked.url);
  await person.logIn("not the password at all");
  await person.button("Log in").waitFor();
  assert.match(await person.page.locator("body").innerText(), /password/i);
  assert.equal(callback.unread, 0);
  // The status of a refused log-in shows in the console as a failed load; that one line is expected.
  person.complaints = person.complaints.filter((line) => !line.includes("Failed to load resource"));
  await person.logIn();
  await person.button("Allow").waitFor();
  await person.allow();
  await assertCode(asked, person);
  person.assertContent();
});

test("somebody with a session is asked again by a native client and signs up for nothing", async () => {
  const person = await somebody();
  const first = await request();
  await person.reachConsent(first.url);
  await person.allow();
  await assertCode(first, person);

  const asked = await request();
  await person.page.goto(asked.url);
  await person.button("Allow").waitFor();
  await person.allow();
  await assertCode(asked, person);
  person.assertContent();
});

test("the way to the client gives the same code as long as it is not redeemed", async () => {
  const person = await somebody();
  const asked = await request();
  await person.reachConsent(asked.url);
  const through = person.page.waitForRequest((sent) => new URL(sent.url()).pathname.includes("/oauth/continue/"));
  await person.allow();
  const way = (await through).url();
  const first = (await answerTo(asked, person)).get("code");
  // The client's page replaces this one on its way, which the browser reports as an interrupted visit.
  await person.page.goto(way, { waitUntil: "commit" }).catch((error) => assert.match(error.message, /interrupted/));
  const second = (await answerTo(asked, person)).get("code");
  assert.equal(second, first);

  // For anybody else that address gives nothing.
  const stranger = await somebody();
  await stranger.page.goto(way);
  assert.equal(new URL(stranger.page.url()).origin, issuer);
  await redeem(asked, second);
  person.assertContent();
});

test("a redirect URI that is not registered shows a page and leads nowhere", async () => {
  const person = await somebody();
  const asked = await request({ redirectUri: `http://127.0.0.1:${callback.port}/elsewhere` });
  const response = await person.page.goto(asked.url);
  assert.equal(response.status(), 400);
  assert.match(response.headers()["content-type"], /^text\/html/);
  assert.equal(new URL(person.page.url()).origin, issuer);
});

test("without JavaScript, somebody allows a part, sees it in their account, narrows it, names it and ends it", async () => {
  const person = await somebody({ javaScriptEnabled: false });
  const [resource, name] = ["http://127.0.0.1:9000/pages/parts", "Pages parts"];
  await registerResource(resource, name, [
    { name: "parts.read", description: "Read the parts", default: true },
    { name: "parts.list", description: "List the parts", default: true },
    { name: "parts.write", description: "Change the parts", optional: true },
  ]);
  const asked = await request({ resource, scope: "parts.read parts.list parts.write" });
  await person.reachConsent(asked.url);
  await person.page.getByRole("checkbox", { name: "Change the parts" }).uncheck();
  await person.allow();
  const query = await answerTo(asked, person);
  const tokens = await redeem(asked, query.get("code"));
  assert.deepEqual(tokens.scope.split(" ").sort(), ["parts.list", "parts.read"]);

  await person.page.goto(`${issuer}/account`);
  await person.page.getByRole("link", { name: "Pages client" }).click();
  await person.page.getByRole("checkbox", { name: "List the parts" }).uncheck();
  await person.button("Take away what is not ticked").click();
  await person.page.getByRole("status").waitFor();
  await person.page.getByRole("textbox", { name: "Name of the device" }).fill("Ada's laptop");
  await person.button("Save").click();
  await person.page.getByRole("status").waitFor();
  await person.page.goto(`${issuer}/account`);
  assert.match(await person.page.locator("main").innerText(), /Ada's laptop/);
  await person.page.getByRole("link", { name: "Pages client" }).click();
  await person.button("Disconnect").click();
  assert.match(await person.page.locator("main").innerText(), /No app is connected/);
  person.assertContent();
});

test("without JavaScript, somebody changes their password, and it alone logs in from then on", async () => {
  const person = await somebody({ javaScriptEnabled: false });
  const asked = await request();
  await person.reachConsent(asked.url);
  await person.deny();
  await assertDenied(asked, person);

  await person.page.goto(`${issuer}/account`);
  await person.page.getByRole("link", { name: "Change your password" }).click();
  const another = "an otter in my kettle";
  const change = async (present) => {
    await person.page.getByLabel("Present password", { exact: true }).fill(present);
    await person.page.getByLabel("New password", { exact: true }).fill(another);
    await person.button("Set the password").click();
  };
  await change("not the password at all");
  assert.match(await person.page.getByRole("alert").innerText(), /wrong/);
  // The status of what is refused shows in the console as a failed load; those lines are expected.
  person.complaints = person.complaints.filter((line) => !line.includes("Failed to load resource"));
  await change(PASSWORD);
  await person.page.getByRole("heading", { name: "Your password is set" }).waitFor();
  await person.page.getByRole("link", { name: "Back to your account" }).click();
  await person.page.getByRole("heading", { name: "Connected apps" }).waitFor();

  await person.context.clearCookies();
  await person.page.goto(`${issuer}/login`);
  await person.logIn();
  assert.match(await person.page.getByRole("alert").innerText(), /password/i);
  person.complaints = person.complaints.filter((line) => !line.includes("Failed to load resource"));
  await person.logIn(another);
  await person.button("Log out").waitFor();
  person.assertContent();
});

test("the pages speak German to whoever reads it", async () => {
  const person = await somebody({ locale: "de-AT" });
  const asked = await request();
  await person.page.goto(asked.url);
  await person.button("Anmelden").waitFor();
  assert.equal(await person.page.locator("html").getAttribute("lang"), "de");
  person.assertContent();
});
