// A real OpenID Connect provider that is not ours: oidc-provider, as somebody runs it who already has one.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import Provider from "oidc-provider";

/** A signing key, as a JWK. */
export function newKey(kid) {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { ...privateKey.export({ format: "jwk" }), kid, alg: "ES256", use: "sig" };
}

const MACHINE = { client_id: "machine", client_secret: "the secret of a machine in a test" };

/** The client that its administrator made for an application of people. */
export const APPLICATION = "application";

/** Starts it at a port. It signs with the first of `keys`, and gives access tokens in `format`: "jwt" or "opaque". */
export async function startProvider({ port, keys, format = "jwt" }) {
  const issuer = `http://127.0.0.1:${port}`;
  const provider = new Provider(issuer, {
    jwks: { keys },
    cookies: { keys: [randomBytes(32).toString("hex")] },
    clientAuthMethods: ["none", "client_secret_basic"],
    clients: [
      { ...MACHINE, grant_types: ["client_credentials"], redirect_uris: [], response_types: [] },
      { client_id: APPLICATION, redirect_uris: ["http://127.0.0.1/callback"], application_type: "native", token_endpoint_auth_method: "none" },
    ],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource) => ({
          audience: resource,
          scope: "notes:read notes:write",
          accessTokenFormat: format,
          jwt: format === "jwt" ? { sign: { alg: "ES256" } } : undefined,
        }),
      },
    },
    // Ours ask for no ID token, so nothing but ES256 is needed.
    clientDefaults: { id_token_signed_response_alg: "ES256" },
    enabledJWA: { idTokenSigningAlgValues: ["ES256"] },
  });
  const server = createServer(provider.callback());
  await new Promise((resume) => server.listen(port, "127.0.0.1", resume));
  return {
    issuer,
    /** An access token for a resource, without anybody logging in. */
    async token(resource, scope = "notes:read") {
      const basic = Buffer.from(`${MACHINE.client_id}:${encodeURIComponent(MACHINE.client_secret)}`).toString("base64");
      const response = await fetch(`${issuer}/token`, {
        method: "POST",
        // The next request may be for another provider at this port.
        headers: { authorization: `Basic ${basic}`, connection: "close" },
        body: new URLSearchParams({ grant_type: "client_credentials", resource, scope }),
      });
      const { access_token, ...rest } = await response.json();
      if (!access_token) throw new Error(`the provider gives no token: ${JSON.stringify(rest)}`);
      return access_token;
    },
    stop() {
      server.closeAllConnections();
      return new Promise((resume) => server.close(resume));
    },
  };
}
