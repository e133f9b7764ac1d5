import { randomUUID } from "node:crypto";

/** What an application is to the SDK (its OAuthClientProvider): what it keeps, all in memory, and the way to the browser. */
export class Memory {
  registrations = 0;

  constructor(redirectUri) {
    this.redirectUrl = redirectUri;
    this.clientMetadata = {
      client_name: "TypeScript SDK",
      redirect_uris: [redirectUri],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
      application_type: "native",
    };
  }

  state() {
    this.sentState = randomUUID();
    return this.sentState;
  }

  clientInformation() {
    return this.client;
  }

  saveClientInformation(client) {
    this.registrations += 1;
    this.client = client;
  }

  tokens() {
    return this.kept;
  }

  saveTokens(tokens) {
    this.kept = tokens;
  }

  redirectToAuthorization(url) {
    this.visit = url.href;
  }

  saveCodeVerifier(verifier) {
    this.verifier = verifier;
  }

  codeVerifier() {
    return this.verifier;
  }
}
