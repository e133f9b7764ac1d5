// The example for any OpenID Connect provider, at one that is not ours: by three variables, with signed tokens, key rotation, a
// provider that comes up late, and one that is configured in the wrong way.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { Application } from "./application.mjs";
import { freePort, listen } from "./callback.mjs";
import { startExample, until } from "./example.mjs";
import { Memory } from "./memory.mjs";
import { Person, launch } from "./person.mjs";
import { APPLICATION, newKey, startProvider } from "./provider.mjs";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

const startServer = (issuer) => startExample("oidc-mcp-server", (url) => ({ OAUTH_ISSUER_URL: issuer, OAUTH_AUDIENCE: url }));

/** What the server answers to somebody who has this token. */
function use(server, token) {
  const body = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "whoami", arguments: {} } };
  return fetch(server.url, {
    method: "POST",
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    },
    body: JSON.stringify(body),
  });
}

async function said(response) {
  const { result } = await response.json();
  return result.content[0].text;
}

/** Goes through the provider's own pages: whoever has no session logs in; then they allow. */
async function allow(person, visit) {
  await person.page.goto(visit);
  const login = person.page.locator("input[name=login]");
  if (await login.isVisible()) {
    await login.fill("ada");
    await person.page.locator("input[name=password]").fill("anything");
    await person.button("Sign-in").click();
  }
  await person.button("Continue").click();
}

test("the SDK's client logs in to the provider, and gets more scope for another tool", async (context) => {
  const provider = await startProvider({ port: await freePort(), keys: [newKey("a")] });
  context.after(() => provider.stop());
  const server = await startServer(provider.issuer);
  context.after(() => server.stop());
  const callback = await listen();
  context.after(() => callback.close());
  const person = await Person.with(browser);
  const kept = new Memory(callback.redirectUri);
  kept.client = { client_id: APPLICATION, issuer: provider.issuer };
  const application = new Application(server.url, kept);

  await assert.rejects(application.connect(), UnauthorizedError);
  assert.equal(new URL(kept.visit).origin, provider.issuer);
  await allow(person, kept.visit);
  await application.transport.finishAuth((await callback.next()).searchParams.get("code"));
  await application.connect();
  assert.equal(await application.call("whoami"), `ada of ${provider.issuer}, with notes:read`);

  await assert.rejects(application.call("delete_note", { number: 1 }), UnauthorizedError);
  assert.equal(new URL(kept.visit).searchParams.get("scope"), "notes:read notes:write");
  await allow(person, kept.visit);
  await application.transport.finishAuth((await callback.next()).searchParams.get("code"));
  assert.equal(await application.call("delete_note", { number: 1 }), "Deleted: Buy milk");
  await person.leave();
});

test("a new key of the provider is known with the first token that is signed with it", async (context) => {
  const [port, old, young] = [await freePort(), newKey("old"), newKey("young")];
  let provider = await startProvider({ port, keys: [old] });
  context.after(() => provider.stop());
  const server = await startServer(provider.issuer);
  context.after(() => server.stop());
  const first = await provider.token(server.url);
  assert.equal(await said(await use(server, first)), `machine of ${provider.issuer}, with notes:read`);

  await provider.stop();
  provider = await startProvider({ port, keys: [young, old] });
  const second = await provider.token(server.url);
  assert.equal(JSON.parse(Buffer.from(second.split(".")[0], "base64url")).kid, "young");
  for (const token of [second, first]) assert.equal((await use(server, token)).status, 200);
});

test("a provider that is away takes no server with it that has its keys", async (context) => {
  const provider = await startProvider({ port: await freePort(), keys: [newKey("a")] });
  const server = await startServer(provider.issuer);
  context.after(() => server.stop());
  await until("it is ready", async () => (await fetch(`${server.origin}/ready`)).ok);
  const token = await provider.token(server.url);
  await provider.stop();
  assert.equal((await use(server, token)).status, 200);
});

test("a server that starts before its provider says so, and becomes ready by itself", async (context) => {
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const server = await startServer(issuer);
  context.after(() => server.stop());
  const waiting = await fetch(`${server.origin}/ready`);
  assert.equal(waiting.status, 503);
  assert.match(await waiting.text(), /discovery_unreachable/);
  // Whether a token is good cannot be told: that is not 401, at which clients throw it away.
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const unsure = await use(server, `${part({ alg: "ES256", typ: "at+jwt" })}.${part({ iss: issuer })}.c2ln`);
  assert.equal(unsure.status, 503, await unsure.text());
  assert.ok(Number(unsure.headers.get("retry-after")) > 0);
  assert.equal(unsure.headers.get("www-authenticate"), null);
  assert.match(await server.log(), new RegExp(`${issuer}\\S* cannot be used`));

  const provider = await startProvider({ port, keys: [newKey("a")] });
  context.after(() => provider.stop());
  await until("it becomes ready", async () => (await fetch(`${server.origin}/ready`)).ok);
  assert.equal((await use(server, await provider.token(server.url))).status, 200);
});

test("opaque tokens are refused, and the operator is told what to do about it", async (context) => {
  const provider = await startProvider({ port: await freePort(), keys: [newKey("a")], format: "opaque" });
  context.after(() => provider.stop());
  const server = await startServer(provider.issuer);
  context.after(() => server.stop());
  const refused = await use(server, await provider.token(server.url));
  assert.equal(refused.status, 401);
  assert.match(refused.headers.get("www-authenticate"), /error="invalid_token".*the token is not a JWT/);
  const { error } = await refused.json();
  assert.equal(error.data.reason, "token_not_jwt");
  assert.match(await server.log(), /token_not_jwt/);
});

test("a token for another server of the same provider opens nothing, and the operator sees which audience came", async (context) => {
  const provider = await startProvider({ port: await freePort(), keys: [newKey("a")] });
  context.after(() => provider.stop());
  const server = await startServer(provider.issuer);
  context.after(() => server.stop());
  const refused = await use(server, await provider.token("https://other.example.com/mcp"));
  assert.equal(refused.status, 401);
  assert.equal((await refused.json()).error.data.reason, "token_audience_wrong");
  const log = await server.log();
  assert.match(log, /https:\/\/other\.example\.com\/mcp/);
  assert.ok(log.includes(server.url), log);
});
