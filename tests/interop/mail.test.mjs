// Letters through a mail server of another make, over TLS, with user and password.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, before, test } from "node:test";
import PostalMime from "postal-mime";
import { SMTPServer } from "smtp-server";
import { until } from "./example.mjs";
import { linkIn, startPortcullis } from "./portcullis.mjs";

const USER = { username: "mailer@as.example", password: "p@ss/word" };
const running = [];
let pem;

before(() => {
  const home = mkdtempSync(join(process.env.INTEROP_LOGS, "mail-"));
  const [config, key, cert] = ["config", "key.pem", "cert.pem"].map((name) => join(home, name));
  writeFileSync(
    config,
    "[req]\nprompt=no\ndistinguished_name=name\nx509_extensions=more\n[name]\nCN=localhost\n" +
      "[more]\nbasicConstraints=critical,CA:FALSE\nsubjectAltName=DNS:localhost\n",
  );
  const made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-keyout", key, "-out", cert];
  execFileSync("openssl", ["req", "-x509", "-config", config, ...made], { stdio: "pipe" });
  pem = { key: readFileSync(key), cert: readFileSync(cert), file: cert };
});
afterEach(async () => {
  for (const one of running.splice(0).reverse()) await one.stop();
});

/** A mail server without 8BITMIME and SMTPUTF8: `secure` speaks TLS from the first byte, any other asks for STARTTLS before a password. */
async function mailServer(secure) {
  const letters = [];
  const host = new SMTPServer({
    secure,
    key: pem.key,
    cert: pem.cert,
    disableReverseLookup: true,
    hideSMTPUTF8: true,
    hide8BITMIME: true,
    onAuth({ username, password }, session, done) {
      const known = username === USER.username && password === USER.password;
      done(known ? null : new Error("wrong"), known ? { user: username } : undefined);
    },
    onData(stream, session, done) {
      const parts = [];
      stream.on("data", (part) => parts.push(part));
      stream.on("end", () => {
        const { mailFrom, rcptTo } = session.envelope;
        const to = rcptTo.map(({ address }) => address);
        letters.push({ raw: Buffer.concat(parts), secure: session.secure, user: session.user, from: mailFrom.address, to });
        done();
      });
    },
  });
  // A client that does not trust it hangs up.
  host.on("error", () => {});
  host.listen(0, "127.0.0.1");
  await once(host.server, "listening");
  const server = { letters, port: host.server.address().port, stop: () => new Promise((resume) => host.close(resume)) };
  running.push(server);
  return server;
}

async function portcullis(url, more) {
  const settings = { PORTCULLIS_SMTP_URL: url, PORTCULLIS_MAIL_FROM: "Portcullis <no-reply@as.example>", ...more };
  const server = await startPortcullis("mail-server", settings);
  running.push(server);
  return server;
}

/** Signs up in German. */
async function signUp(server, email) {
  const answer = await fetch(`${server.issuer}/auth/signup`, {
    method: "POST",
    headers: { "content-type": "application/json", "accept-language": "de" },
    body: JSON.stringify({ email, name: "Ada", password: "correct horse battery staple" }),
  });
  assert.equal(answer.status, 202, await answer.text());
}

const user = `${encodeURIComponent(USER.username)}:${encodeURIComponent(USER.password)}`;
for (const [name, secure, url] of [
  ["TLS from the first byte", true, (port) => `smtps://${user}@localhost:${port}`],
  ["STARTTLS", false, (port) => `smtp://${user}@localhost:${port}?tls=required`],
]) {
  test(`somebody who signs up gets a letter by ${name}, and its link leads to a page`, async () => {
    const mail = await mailServer(secure);
    const server = await portcullis(url(mail.port), { SSL_CERT_FILE: pem.file });
    await signUp(server, "ada+portcullis@bücher.example");
    const { raw, ...came } = await until("a letter arrives", async () => mail.letters.shift());
    // It came as xn--bcher-kva.example, which the mail server shows like this.
    const to = ["ada+portcullis@bücher.example"];
    assert.deepEqual(came, { secure: true, user: USER.username, from: "no-reply@as.example", to });

    // RFC 5322 section 2.1.1, and each line ends as it must.
    const lines = raw.toString("latin1").split("\r\n");
    assert.ok(lines.every((line) => line.length <= 998 && !/[\r\n]/.test(line)));
    const letter = await PostalMime.parse(raw);
    assert.equal(letter.subject, `Bestätigen Sie Ihre E-Mail-Adresse für ${new URL(server.issuer).host}`);
    assert.deepEqual([letter.from.name, letter.from.address], ["Portcullis", "no-reply@as.example"]);
    assert.ok(letter.messageId && letter.date, "no Message-ID or no Date");
    assert.equal(letter.headers.find(({ key }) => key === "auto-submitted")?.value, "auto-generated");
    const page = await fetch(linkIn(letter.text), { headers: { "accept-language": "de" } });
    assert.equal(page.status, 200);
    assert.match(await page.text(), /lang="de"/);
  });
}

test("a mail server that nobody vouches for gets no letter, and the operator is told", async () => {
  const mail = await mailServer(true);
  const server = await portcullis(`smtps://${user}@localhost:${mail.port}`);
  await signUp(server, "ada@example.com");
  await until("it is said in the log", async () => /certificate/i.test(await server.log()));
  assert.deepEqual(mail.letters, []);
  const log = await server.log();
  for (const secret of [USER.password, encodeURIComponent(USER.password), "ada@example.com"]) assert.ok(!log.includes(secret), secret);
});
