// The official TypeScript SDK's own OAuth client through its whole life: discovery from a 401, registration, log-in and
// consent, use, refresh, revocation.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { auth, extractWWWAuthenticateParams, refreshAuthorization } from "@modelcontextprotocol/sdk/client/auth.js";
import { InvalidGrantError } from "@modelcontextprotocol/sdk/server/auth/errors.js";
import { listen } from "./callback.mjs";
import { Memory } from "./memory.mjs";
import { Person, launch } from "./person.mjs";
import { form, introspect, issuer, json, metadata, registerResource } from "./server.mjs";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** An MCP server as far as authorization goes: a 401 that says where to look, and a token check by introspection. */
async function resourceServer({ documentAt }) {
  const server = createServer(async (request, response) => {
    if (request.url === "/.well-known/oauth-protected-resource/mcp") {
      const document = await json(await fetch(registered.prm_url), 200);
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(document));
      return;
    }
    if (request.url !== "/mcp") {
      response.writeHead(404).end();
      return;
    }
    const [, token] = /^Bearer (.+)$/.exec(request.headers.authorization ?? "") ?? [];
    const known = token && (await introspect(registered.api_key, token));
    if (known?.active) {
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(known));
    } else {
      const at = documentAt === "server" ? registered.prm_url : `${origin}/.well-known/oauth-protected-resource/mcp`;
      response.writeHead(401, { "www-authenticate": `Bearer resource_metadata="${at}"` }).end();
    }
  });
  await new Promise((resume) => server.listen(0, "127.0.0.1", resume));
  const origin = `http://127.0.0.1:${server.address().port}`;
  const url = `${origin}/mcp`;
  const registered = await registerResource(url, "SDK files");
  return {
    url,
    close() {
      server.closeAllConnections();
      return new Promise((resume) => server.close(resume));
    },
  };
}

async function use(resource, token) {
  return fetch(resource.url, { method: "POST", headers: token ? { authorization: `Bearer ${token}` } : {} });
}

for (const documentAt of ["resource", "server"]) {
  test(`the SDK's client lives through a grant, its metadata document served by the ${documentAt}`, async () => {
    const resource = await resourceServer({ documentAt });
    const callback = await listen();
    const person = await Person.with(browser);
    const provider = new Memory(callback.redirectUri);

    const unauthorized = await use(resource);
    assert.equal(unauthorized.status, 401);
    const { resourceMetadataUrl, scope } = extractWWWAuthenticateParams(unauthorized);
    const options = { serverUrl: resource.url, resourceMetadataUrl, scope };

    // Discovery and registration, up to the browser.
    assert.equal(await auth(provider, options), "REDIRECT");
    assert.equal(provider.registrations, 1);
    assert.equal(provider.client.issuer, issuer);
    assert.equal(new URL(provider.visit).searchParams.get("resource"), resource.url);

    await person.reachConsent(provider.visit);
    await person.allow();
    const answer = await callback.next();
    assert.equal(answer.searchParams.get("error"), null, answer.href);
    assert.equal(answer.searchParams.get("state"), provider.sentState);
    assert.equal(answer.searchParams.get("iss"), issuer);

    // The code becomes tokens that open this resource.
    const authorizationCode = answer.searchParams.get("code");
    assert.equal(await auth(provider, { ...options, authorizationCode }), "AUTHORIZED");
    const first = provider.kept;
    assert.equal(first.token_type.toLowerCase(), "bearer");
    assert.ok(first.refresh_token, "a client with the refresh_token grant type got no refresh token");
    const opened = await json(await use(resource, first.access_token), 200);
    assert.equal(opened.client_id, provider.client.client_id);
    assert.ok([opened.aud].flat().includes(resource.url), `aud is ${opened.aud}`);

    // With a refresh token at hand the SDK refreshes and asks nobody.
    assert.equal(await auth(provider, options), "AUTHORIZED");
    const second = provider.kept;
    assert.equal(provider.registrations, 1);
    assert.notEqual(second.access_token, first.access_token);
    assert.notEqual(second.refresh_token, first.refresh_token);
    assert.equal((await use(resource, second.access_token)).status, 200);

    // Revoking the refresh token ends all of it.
    const server = await metadata();
    const revoked = await form(server.revocation_endpoint, {
      token: second.refresh_token,
      token_type_hint: "refresh_token",
      client_id: provider.client.client_id,
    });
    assert.equal(revoked.status, 200, await revoked.text());
    await assert.rejects(
      refreshAuthorization(issuer, {
        metadata: server,
        clientInformation: provider.client,
        refreshToken: second.refresh_token,
        resource: new URL(resource.url),
      }),
      InvalidGrantError,
    );
    for (const token of [first.access_token, second.access_token]) {
      assert.equal((await use(resource, token)).status, 401);
    }

    // The SDK, told so, sends its user to the browser again instead of giving up.
    provider.invalidateCredentials = () => {
      provider.kept = undefined;
    };
    assert.equal(await auth(provider, options), "REDIRECT");

    person.assertContent();
    await person.leave();
    await callback.close();
    await resource.close();
  });
}
