// The official MCP conformance suite, mode `authorization`, against the running server. The suite opens no browser: it
// prints the authorization URL and waits at its callback, and a person in Chromium does the rest.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, readdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { freePort } from "./callback.mjs";
import { Person, launch } from "./person.mjs";
import { issuer, registerClient, registerResource } from "./server.mjs";

const suite = createRequire(import.meta.url).resolve("@modelcontextprotocol/conformance/package.json");

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** Runs the suite and gives the status of each check by its id. */
async function run(person, { clientId, resource, port }) {
  const out = await mkdtemp(join(process.env.INTEROP_OUT, "conformance-"));
  // Without --scenario, because the grant's checks use what the metadata's found; with --port, because 3000 is the default.
  const runner = spawn(
    process.execPath,
    [
      join(dirname(suite), "dist", "index.js"),
      "authorization",
      ...["--url", issuer, "--client-id", clientId, "--resource", resource, "--port", String(port), "-o", out],
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  const ended = once(runner, "exit");
  const alarm = setTimeout(() => runner.kill(), 90_000);
  let printed = "";
  let visit;
  for (const stream of [runner.stdout, runner.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => {
      printed += text;
      const url = printed.match(new RegExp(`${issuer.replaceAll(".", "\\.")}/\\S*[?&]code_challenge=\\S+(?=\\s)`));
      if (url && !visit) {
        visit = person.reachConsent(url[0]).then(() => person.allow());
        // It is awaited below; until then a failure must not end the process.
        visit.catch(() => runner.kill());
      }
    });
  }
  const [status] = await ended;
  clearTimeout(alarm);
  await visit;
  assert.ok(visit, `the suite asked nobody to log in:\n${printed}`);
  assert.equal(status, 0, `the suite ended with ${status}:\n${printed}`);

  const found = {};
  for (const folder of await readdir(out)) {
    for (const check of JSON.parse(await readFile(join(out, folder, "checks.json"), "utf8"))) {
      found[check.id] = check;
    }
  }
  return found;
}

test("the official suite finds the metadata and the code grant in order", async () => {
  const port = await freePort();
  const resource = "http://127.0.0.1:9000/conformance/mcp";
  await registerResource(resource, "Conformance");
  const clientId = await registerClient([`http://127.0.0.1:${port}/callback`], "Conformance suite");
  const person = await Person.with(browser);

  const found = await run(person, { clientId, resource, port });
  const statuses = Object.fromEntries(Object.entries(found).map(([id, check]) => [id, check.status]));
  console.log(statuses);
  // The totals that the suite prints count a skipped check as none, so each is asked for by name.
  for (const id of ["authorization-server-metadata", "authorization-code-grant"]) {
    assert.equal(statuses[id], "SUCCESS", `${id}: ${JSON.stringify(found[id], null, 2)}`);
  }
  // Client ID Metadata Documents are not served, so they must not be advertised either.
  assert.equal(statuses["authorization-server-metadata-cimd"], "WARNING");
  assert.ok(!Object.values(statuses).includes("FAILURE"), JSON.stringify(statuses));
  await person.leave();
});
