// The TypeScript SDK's client against the example servers and the real Portcullis: log-in, a tool, more scope for another tool,
// refresh, revocation.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { UnauthorizedError, auth } from "@modelcontextprotocol/sdk/client/auth.js";
import { Application } from "./application.mjs";
import { listen } from "./callback.mjs";
import { startExample } from "./example.mjs";
import { Memory } from "./memory.mjs";
import { Person, launch } from "./person.mjs";
import { form, issuer, metadata, registerResource } from "./server.mjs";

const SCOPES = [
  { name: "notes:read", description: "Read your notes", default: true },
  { name: "notes:write", description: "Change your notes", default: false },
];

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** Gets a new access token, which the MCP server has not seen yet. */
async function refresh(application) {
  assert.equal(await auth(application.provider, { serverUrl: application.url }), "AUTHORIZED");
}

async function revoke(provider, token) {
  const { revocation_endpoint } = await metadata();
  const { client_id } = provider.client;
  assert.equal((await form(revocation_endpoint, { token, client_id })).status, 200);
}

async function code(callback, provider) {
  const answer = await callback.next();
  assert.equal(answer.searchParams.get("error"), null, answer.href);
  assert.equal(answer.searchParams.get("state"), provider.sentState);
  assert.equal(answer.searchParams.get("iss"), issuer);
  return answer.searchParams.get("code");
}

for (const name of ["axum-mcp-server", "actix-mcp-server"]) {
  test(`the SDK's client lives with ${name}`, async (context) => {
    const server = await startExample(name, async (url) => {
      const { api_key } = await registerResource(url, name, SCOPES);
      return { PORTCULLIS_URL: issuer, PORTCULLIS_SERVER_KEY: api_key };
    });
    context.after(() => server.stop());
    const callback = await listen();
    context.after(() => callback.close());
    const person = await Person.with(browser);
    const provider = new Memory(callback.redirectUri);
    const application = new Application(server.url, provider);

    // From nothing to the browser, and back with a code.
    await assert.rejects(application.connect(), UnauthorizedError);
    assert.equal(new URL(provider.visit).searchParams.get("resource"), server.url);
    assert.equal(new URL(provider.visit).searchParams.get("scope"), "notes:read");
    await person.reachConsent(provider.visit);
    await person.allow();
    await application.transport.finishAuth(await code(callback, provider));
    await application.connect();
    const { tools } = await application.client.listTools();
    assert.deepEqual(tools.map((tool) => tool.name).sort(), ["delete_note", "list_notes", "whoami"]);
    assert.match(await application.call("whoami"), new RegExp(`^usr_\\S+ of ${issuer}, with notes:read$`));

    // A tool that needs more. With a refresh token at hand this SDK refreshes, which brings no more scope, and gives up: the
    // application lets go of the refresh token, and then it goes to the browser and asks for all that the challenge names.
    await assert.rejects(application.call("delete_note", { number: 1 }), { code: 403 });
    provider.kept = { ...provider.kept, refresh_token: undefined };
    await application.call("whoami");
    await assert.rejects(application.call("delete_note", { number: 1 }), UnauthorizedError);
    assert.equal(new URL(provider.visit).searchParams.get("scope"), "notes:read notes:write");
    await person.page.goto(provider.visit);
    await person.allow();
    await application.transport.finishAuth(await code(callback, provider));
    assert.equal(await application.call("delete_note", { number: 1 }), "Deleted: Buy milk");

    // An access token that is refused is refreshed, and nobody notices.
    await refresh(application);
    const refused = provider.kept.access_token;
    await revoke(provider, refused);
    assert.match(await application.call("list_notes"), /^2: Water the plants/);
    assert.notEqual(provider.kept.access_token, refused);

    // After the end of the grant it says so, and leads to the browser.
    await refresh(application);
    await revoke(provider, provider.kept.refresh_token);
    provider.visit = undefined;
    provider.invalidateCredentials = () => {
      provider.kept = undefined;
    };
    await assert.rejects(application.call("whoami"), UnauthorizedError);
    assert.ok(provider.visit?.startsWith(issuer), provider.visit);

    person.assertContent();
    await person.leave();
  });
}
