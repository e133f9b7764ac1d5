// Somebody on the way to a page. Nothing here depends on the language of the pages, or on scripts.
import assert from "node:assert/strict";
import { PASSWORD, Person } from "./person.mjs";
import { codeOf } from "./totp.mjs";

/** `app` is a client and what it asks for: `{ clientId, redirectUri, resource }`. */
export class Visit {
  constructor(server, app, person) {
    this.server = server;
    this.app = app;
    this.person = person;
    this.page = person.page;
    this.name = person.name;
    this.email = person.email;
    this.known = false;
  }

  open(path) {
    return this.page.goto(new URL(path, this.server.issuer).href);
  }

  /** Opens the page `path` by the link in a letter. */
  async follow(path, email = this.email) {
    await this.open(await this.server.link(email, path));
  }

  async fill(fields) {
    for (const [name, value] of Object.entries(fields)) {
      await this.page.locator(`input[name=${name}]:visible`).first().fill(value);
    }
  }

  /** Gives the password where a change asks for it. */
  async prove(place = this.page) {
    const field = place.locator("input[name=password]:visible");
    if (await field.count()) await field.first().fill(PASSWORD);
  }

  press(selector) {
    return this.page.locator(selector).first().click();
  }

  /** Presses the button that goes on. */
  submit() {
    return this.press("main button.primary");
  }

  /** Asks for something in JSON, with the cookies of this browser. */
  async ask(path, data) {
    const answer = await this.person.context.request.post(new URL(path, this.server.issuer).href, { data });
    assert.ok(answer.ok(), `${path} answered ${answer.status()}: ${await answer.text()}`);
  }

  async signUp(password = PASSWORD) {
    await this.open("/signup");
    await this.fill({ name: this.name, email: this.email, password });
    await this.submit();
  }

  async confirm() {
    await this.signUp();
    await this.follow("/verify");
  }

  /** Has an account with an address that is confirmed, and a session. */
  async logIn() {
    if (!this.known) {
      await this.ask("/auth/signup", { email: this.email, name: this.name, password: PASSWORD });
      const ticket = new URL(await this.server.link(this.email, "/verify")).searchParams.get("ticket");
      await this.ask("/auth/verify", { ticket, password: PASSWORD });
      this.known = true;
    }
    await this.ask("/auth/login", { email: this.email, password: PASSWORD });
  }

  /** The same, but the log-in was so many seconds ago. */
  async logInAgo(seconds) {
    await this.logIn();
    const answer = await this.person.context.request.get(new URL("/auth/sessions", this.server.issuer).href);
    const { sessions } = await answer.json();
    this.server.makeOlder(sessions.find((one) => one.current).session, seconds);
  }

  async forget() {
    await this.logIn();
    await this.ask("/auth/logout", {});
    await this.open("/forgot");
    await this.fill({ email: this.email });
    await this.submit();
  }

  async reset() {
    await this.forget();
    await this.follow("/reset");
  }

  async beginApp() {
    await this.logIn();
    await this.open("/account/security");
    await this.press("button[value=add_app]");
    this.secret = (await this.page.locator("code.secret").innerText()).replaceAll(" ", "");
  }

  async addApp() {
    await this.beginApp();
    const code = codeOf(this.secret, Math.floor(Date.now() / 30_000));
    await this.fill({ code });
    await this.prove();
    await this.press("button[value=confirm_app]");
  }

  /** After the password, before the second factor. */
  async half() {
    await this.addApp();
    await this.page.locator(".codes").waitFor();
    await this.ask("/auth/logout", {});
    await this.open("/login");
    await this.fill({ email: this.email, password: PASSWORD });
    await this.submit();
  }

  /** Adding one needs scripts: another window of the same person has them. */
  async addPasskey(name) {
    const other = await Person.with(this.person.context.browser(), { storageState: await this.person.context.storageState() });
    const keys = await other.context.newCDPSession(other.page);
    await keys.send("WebAuthn.enable");
    const has = { hasResidentKey: true, hasUserVerification: true, isUserVerified: true };
    const options = { protocol: "ctap2", transport: "internal", automaticPresenceSimulation: true, ...has };
    await keys.send("WebAuthn.addVirtualAuthenticator", { options });
    await other.page.goto(`${this.server.issuer}/account/security`);
    const form = other.page.locator("form[data-passkey]");
    await form.locator("input[name=name]").fill(name);
    await this.prove(form);
    await form.locator("button").click();
    await other.page.getByRole("status").waitFor();
    await this.person.context.addCookies(await other.context.cookies());
    await other.leave();
  }

  async authorize(scope, redirectUri = this.app.redirectUri) {
    this.asked = await this.server.authorization({ ...this.app, redirectUri, scope });
    await this.page.goto(this.asked.url);
  }

  async consent(scope) {
    await this.logIn();
    await this.authorize(scope);
  }

  /** Allows, and stays at the page that leads back to the app. */
  async allow(scope) {
    await this.page.route("**/oauth/continue/**", (route) => route.fulfill({ status: 204 }));
    await this.consent(scope);
    await this.press("button[value=allow]");
    await this.page.locator('a[href*="/oauth/continue/"]').waitFor();
  }

  /** Has an app connected. */
  async connect(scope) {
    await this.allow(scope);
    const way = await this.page.locator('a[href*="/oauth/continue/"]').getAttribute("href");
    const answer = await this.person.context.request.get(new URL(way, this.server.issuer).href, { maxRedirects: 0 });
    await this.server.redeem(this.asked, new URL(answer.headers().location).searchParams.get("code"));
  }
}
