// A person at a browser: signs up, logs in, allows and denies. Whatever the browser complains about is kept.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { chromium } from "playwright-core";

export const PASSWORD = "correct horse battery staple";

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

export class Person {
  constructor(context, page, complaints) {
    this.context = context;
    this.page = page;
    /** What the browser reported: blocked by the policy, failed scripts, console errors. */
    this.complaints = complaints;
    this.name = "Ada Lovelace";
    this.email = `ada-${randomUUID()}@example.com`;
  }

  /** Somebody new with an empty cookie jar. */
  static async with(browser, options = {}) {
    const context = await browser.newContext(options);
    context.setDefaultTimeout(15_000);
    const complaints = [];
    await context.exposeBinding("complain", (_, text) => complaints.push(text));
    await context.addInitScript(() => {
      addEventListener("securitypolicyviolation", (event) => {
        window.complain(`blocked on ${location.pathname}: ${event.violatedDirective} ${event.blockedURI}`);
      });
    });
    const page = await context.newPage();
    page.on("console", (message) => {
      if (message.type() === "error" || /content security policy/i.test(message.text())) {
        complaints.push(`console on ${new URL(page.url()).pathname}: ${message.text()}`);
      }
    });
    page.on("pageerror", (error) => complaints.push(`script: ${error.message}`));
    return new Person(context, page, complaints);
  }

  /** Follows a link to the authorization server, for somebody who has no session: the log-in page. */
  async open(url) {
    const response = await this.page.goto(url);
    await this.page.getByRole("button", { name: "Log in", exact: true }).waitFor();
    return response;
  }

  /** From the log-in page: makes an account and comes back to what was asked. */
  async signUp() {
    await this.page.locator('a[href*="/signup?return_to="]').click();
    await this.page.getByLabel("Name", { exact: true }).fill(this.name);
    await this.page.getByLabel("Email", { exact: true }).fill(this.email);
    await this.page.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await this.page.getByRole("button", { name: "Sign up", exact: true }).click();
  }

  /** From the log-in page: logs in. */
  async logIn(password = PASSWORD) {
    await this.page.getByLabel("Email", { exact: true }).fill(this.email);
    await this.page.getByLabel("Password", { exact: true }).fill(password);
    await this.page.getByRole("button", { name: "Log in", exact: true }).click();
  }

  button(name) {
    return this.page.getByRole("button", { name, exact: true });
  }

  async allow() {
    await this.button("Allow").click();
  }

  async deny() {
    await this.button("Deny").click();
  }

  /** Opens `url` as a newcomer, signs up, and stops at the consent page. */
  async reachConsent(url) {
    await this.open(url);
    await this.signUp();
    await this.button("Allow").waitFor();
  }

  /** Fails if the browser complained about anything since the last look. */
  assertContent() {
    assert.deepEqual(this.complaints.splice(0), []);
  }

  async leave() {
    await this.context.close();
  }
}
