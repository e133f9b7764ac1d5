// Second factors in a real browser: passkeys with Chromium's virtual authenticator, codes without any script.
//
// Passkeys are bound to a name, so the server of this part has one: localhost.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { freePort } from "./callback.mjs";
import { until } from "./example.mjs";
import { PASSWORD, Person, launch } from "./person.mjs";

let browser;
let server;
let issuer;
const people = [];

before(async () => {
  browser = await launch();
  const port = await freePort();
  issuer = `http://localhost:${port}`;
  const data = await mkdtemp(join(process.env.INTEROP_LOGS, "passkeys-"));
  const written = createWriteStream(join(data, "server.log"));
  await once(written, "open");
  server = spawn(
    process.env.INTEROP_SERVER,
    ["serve", "--issuer", issuer, "--listen", `127.0.0.1:${port}`, "--data", join(data, "data")],
    { env: { PORTCULLIS_LIMITS: "off" }, stdio: ["ignore", written, written] },
  );
  await until("the server is ready", async () => {
    assert.equal(server.exitCode, null, "the server ended");
    return fetch(`http://127.0.0.1:${port}/ready`).then((response) => response.ok).catch(() => false);
  });
});
after(async () => {
  await browser?.close();
  if (server && server.exitCode === null) {
    const ended = once(server, "exit");
    server.kill();
    await ended;
  }
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

/** RFC 6238, by another hand. */
function codeOf(secret, step) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...secret].map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const tag = createHmac("sha1", key).update(counter).digest();
  const number = tag.readUInt32BE(tag.at(-1) & 15) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, "0");
}

test("codes of an app work without JavaScript", async () => {
  const person = await newcomer({ javaScriptEnabled: false });
  await person.page.goto(`${issuer}/account/security`);
  assert.equal(await person.button("Add a passkey").isVisible(), false);
  await person.button("Set up an app").click();
  await person.page.getByRole("img", { name: "QR code" }).waitFor();
  const secret = (await person.page.locator("code.secret").innerText()).replaceAll(" ", "");
  const step = Math.floor(Date.now() / 30_000);
  await person.page.getByLabel("Code from the app").fill(codeOf(secret, step));
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
