// The server under test, as an operator and a plain HTTP client see it.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";

function setting(name) {
  const value = process.env[name];
  assert.ok(value, `${name} is not set; start this through tests/interop/run`);
  return value;
}

/** The JSON of an answer that must have `status`; anything else fails with what came. */
export async function json(response, status) {
  const text = await response.text();
  assert.equal(response.status, status, `${response.url} answered ${response.status}: ${text}`);
  return JSON.parse(text);
}

/** POSTs a form and gives the response. */
export async function form(url, fields) {
  return fetch(url, { method: "POST", body: new URLSearchParams(fields) });
}

const FILES = [
  { name: "files.read", description: "Read your files", default: true },
  { name: "files.write", description: "Change your files", default: false },
];

/** The server at `issuer`, for its operator and for clients. */
export function at(issuer, adminKey) {
  async function metadata() {
    return json(await fetch(`${issuer}/.well-known/oauth-authorization-server`), 200);
  }

  /** Registers an MCP server as the operator does: `{ server_id, api_key, prm_url }`. */
  async function registerResource(resource, name = "Interop files", scopes = FILES) {
    const registered = await json(
      await fetch(`${issuer}/api/servers`, {
        method: "POST",
        headers: { authorization: `Bearer ${adminKey}`, "content-type": "application/json" },
        body: JSON.stringify({
          name,
          resource_url: resource,
          scopes,
          owner_email: "operator@example.com",
        }),
      }),
      201,
    );
    for (const member of ["server_id", "api_key", "prm_url"]) assert.equal(typeof registered[member], "string", member);
    return registered;
  }

  /** Registers a public client by RFC 7591 and gives its id. */
  async function registerClient(redirectUris, name = "Interop client") {
    const { registration_endpoint } = await metadata();
    const client = await json(
      await fetch(registration_endpoint, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          client_name: name,
          redirect_uris: redirectUris,
          token_endpoint_auth_method: "none",
          grant_types: ["authorization_code", "refresh_token"],
          response_types: ["code"],
          application_type: "native",
        }),
      }),
      201,
    );
    assert.equal(client.client_secret, undefined, "a public client got a secret");
    return client.client_id;
  }

  /** An authorization request: its URL, and what is needed to check the answer and to redeem the code. */
  async function authorization({ clientId, redirectUri, resource, scope }) {
    const { authorization_endpoint } = await metadata();
    const verifier = randomBytes(32).toString("base64url");
    const state = randomBytes(16).toString("base64url");
    const url = new URL(authorization_endpoint);
    const fields = {
      response_type: "code",
      client_id: clientId,
      redirect_uri: redirectUri,
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256",
      state,
      resource,
      ...(scope && { scope }),
    };
    for (const [name, value] of Object.entries(fields)) url.searchParams.set(name, value);
    return { url: url.href, state, verifier, clientId, redirectUri, resource };
  }

  /** Exchanges the code of `request` and gives the tokens. */
  async function redeem(request, code) {
    const { token_endpoint } = await metadata();
    const response = await form(token_endpoint, {
      grant_type: "authorization_code",
      code,
      redirect_uri: request.redirectUri,
      client_id: request.clientId,
      code_verifier: request.verifier,
      resource: request.resource,
    });
    assert.match(response.headers.get("cache-control") ?? "", /no-store/);
    return json(response, 200);
  }

  /** What the server says of `token` when the resource server that holds `apiKey` asks (RFC 7662). */
  async function introspect(apiKey, token) {
    const { introspection_endpoint } = await metadata();
    const response = await fetch(introspection_endpoint, {
      method: "POST",
      headers: { authorization: `Bearer ${apiKey}` },
      body: new URLSearchParams({ token }),
    });
    return json(response, 200);
  }

  /** Calls the operator's interface: the JSON of an answer that must have `status`. */
  async function administer(path, body, status = 201) {
    const headers = { authorization: `Bearer ${adminKey}`, "content-type": "application/json" };
    return json(await fetch(`${issuer}${path}`, { method: "POST", headers, body: JSON.stringify(body) }), status);
  }

  return { metadata, administer, registerResource, registerClient, authorization, redeem, introspect };
}

export const issuer = setting("PORTCULLIS_ISSUER");
export const { metadata, registerResource, registerClient, authorization, redeem, introspect } = at(
  issuer,
  setting("PORTCULLIS_ADMIN_KEY"),
);
