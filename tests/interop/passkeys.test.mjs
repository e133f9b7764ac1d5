// Second factors in a real browser: passkeys with Chromium's virtual authenticator, codes without any script.
//
// Passkeys are bound to a name, so the server of this part has one: localhost.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { PASSWORD, Person, launch } from "./person.mjs";
import { startPortcullis } from "./portcullis.mjs";
import { codeOf } from "./totp.mjs";

let browser;
let server;
let issuer;
const people = [];

before(async () => {
  browser = await launch();
  server = await startPortcullis("passkeys", {}, "localhost");
  issuer = server.issuer;
});
after(async () => {
  await browser?.close();
  await server?.stop();
});
afterEach(async () => {
  for (const person of people.splice(0)) await person.leave();
});

/** Somebody who has just signed up. */
async function newcomer(options) {
  const person = await Person.with(browser, options);
  people.push(person);
  await person.page.goto(`${issuer}/signup`);
  await person.page.getByLabel("Name", { exact: true }).fill(person.name);
  await person.page.getByLabel("Email", { exact: true }).fill(person.email);
  await person.page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await person.button("Sign up").click();
  await person.button("Log out").waitFor();
  return person;
}

/** A device that keeps passkeys, and knows its owner by finger or PIN, or does not. */
async function device(person, knowsOwner = true) {
  const session = await person.context.newCDPSession(person.page);
  await session.send("WebAuthn.enable");
  const { authenticatorId } = await session.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: knowsOwner,
      isUserVerified: knowsOwner,
      automaticPresenceSimulation: true,
    },
  });
  const send = (method, more) => session.send(`WebAuthn.${method}`, { authenticatorId, ...more });
  return {
    async credential() {
      const { credentials } = await send("getCredentials");
      assert.equal(credentials.length, 1);
      return credentials[0];
    },
    async restore(credential) {
      await send("removeCredential", { credentialId: credential.credentialId });
      await send("addCredential", { credential });
    },
  };
}

async function addPasskey(person) {
  await person.page.goto(`${issuer}/account/security`);
  await person.page.getByLabel("Name of the passkey").last().fill("Laptop");
  await person.page.getByLabel("Your password").and(person.page.locator(":visible")).fill(PASSWORD);
  await person.button("Add a passkey").click();
  await person.page.getByText("Added.", { exact: true }).waitFor();
  const codes = await person.page.locator(".codes li").allInnerTexts();
  assert.equal(codes.length, 10);
  return codes;
}

async function logOut(person) {
  await person.page.goto(`${issuer}/login`);
  await person.button("Log out").click();
  await person.page.getByText("You are logged out").first().waitFor();
  await person.page.goto(`${issuer}/login`);
}

test("a passkey is added, named, and logs its owner in with nothing else", async () => {
  const person = await newcomer();
  const keys = await device(person);
  await addPasskey(person);
  await person.page.locator('input[name="name"][value="Laptop"]').waitFor();
  const credential = await keys.credential();
  assert.equal(credential.rpId, "localhost");
  assert.ok(credential.isResidentCredential);

  await logOut(person);
  await person.button("Use a passkey").click();
  await person.page.getByText(person.email).first().waitFor();
  await person.button("Log out").waitFor();
  person.assertContent();
});

test("after a password a passkey is the second factor, and a recovery code stands in for it", async () => {
  const person = await newcomer();
  await device(person, false);
  const codes = await addPasskey(person);
  await logOut(person);
  await person.logIn();
  await person.button("Use a passkey").click();
  await person.button("Log out").waitFor();

  await logOut(person);
  await person.logIn();
  await person.page.getByLabel("Code from your app, or a recovery code").fill(codes[0]);
  await person.button("Continue").click();
  await person.button("Log out").waitFor();
  person.assertContent();
});

test("a passkey whose counter went back is a copy, and opens nothing", async () => {
  const person = await newcomer();
  const keys = await device(person);
  await addPasskey(person);
  const before = await keys.credential();
  await logOut(person);
  await person.button("Use a passkey").click();
  await person.button("Log out").waitFor();
  await logOut(person);
  await keys.restore(before);
  await person.button("Use a passkey").click();
  await person.page.getByText("This passkey is not accepted").waitFor();
  await person.page.goto(`${issuer}/account/security`);
  await person.button("Log in").waitFor();
  assert.ok(await person.page.getByLabel("Password", { exact: true }).isVisible());
});

test("codes of an app work without JavaScript", async () => {
  const person = await newcomer({ javaScriptEnabled: false });
  await person.page.goto(`${issuer}/account/security`);
  assert.equal(await person.button("Add a passkey").isVisible(), false);
  await person.button("Set up an app").click();
  await person.page.getByRole("img", { name: "QR code" }).waitFor();
  const secret = (await person.page.locator("code.secret").innerText()).replaceAll(" ", "");
  const step = Math.floor(Date.now() / 30_000);
  await person.page.getByLabel("Code from the app").fill(codeOf(secret, step));
  await person.page.getByLabel("Your password").and(person.page.locator(":visible")).fill(PASSWORD);
  await person.button("Confirm").click();
  await person.page.getByText("Added.", { exact: true }).waitFor();

  await logOut(person);
  await person.logIn();
  // The page after the form moves on by itself, as it does with scripts. The code of a moment from now: each is taken once.
  await person.page.getByLabel("Code from your app, or a recovery code").fill(codeOf(secret, step + 1));
  await person.button("Continue").click();
  await person.button("Log out").waitFor();
  person.assertContent();
});
