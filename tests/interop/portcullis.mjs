// A server of a part's own, with settings that the shared one has not.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdtemp, readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { freePort } from "./callback.mjs";
import { until } from "./example.mjs";
import { at } from "./server.mjs";

/** Starts one that is reached as `host`, which names this machine; `settings` are variables. */
export async function startPortcullis(part, settings = {}, host = "127.0.0.1") {
  const port = await freePort();
  const issuer = `http://${host}:${port}`;
  const home = await mkdtemp(join(process.env.INTEROP_LOGS, `${part}-`));
  const adminKey = `interop-${randomBytes(24).toString("base64url")}`;
  const log = join(home, "server.log");
  const written = createWriteStream(log);
  await once(written, "open");
  const program = spawn(
    process.env.INTEROP_SERVER,
    ["serve", "--issuer", issuer, "--listen", `127.0.0.1:${port}`, "--data", join(home, "data")],
    // Everybody here comes from one address; the limits have tests of their own.
    { env: { PORTCULLIS_LIMITS: "off", PORTCULLIS_ADMIN_KEY: adminKey, ...settings }, stdio: ["ignore", written, written] },
  );
  await until("the server is ready", async () => {
    assert.equal(program.exitCode, null, `the server ended: ${await readFile(log, "utf8")}`);
    return fetch(`http://127.0.0.1:${port}/ready`).then((response) => response.ok).catch(() => false);
  });
  return {
    issuer,
    ...at(issuer, adminKey),
    /** What it has logged until now. */
    log: () => readFile(log, "utf8"),
    /** The link to the page `path` in a letter to `email`, from the folder of letters. */
    link(email, path) {
      const folder = join(home, "data", "outbox");
      return until(`there is a link to ${path} for ${email}`, async () => {
        for (const name of await readdir(folder).catch(() => [])) {
          if (name.startsWith(".")) continue;
          const text = await readFile(join(folder, name), "utf8");
          if (text.startsWith(`To: ${email}\n`) && text.includes(`${path}?ticket=`)) return linkIn(text);
        }
        return undefined;
      });
    },
    /** Moves the log-in of a session into the past, where nobody can wait for it. */
    makeOlder(session, seconds) {
      const database = new DatabaseSync(join(home, "data", "portcullis.db"));
      try {
        database.exec("PRAGMA busy_timeout = 5000");
        const older = "json_set(body, '$.record.auth_time', json_extract(body, '$.record.auth_time') - ?)";
        const update = database.prepare(`UPDATE records SET body = ${older} WHERE kind = 'session' AND id = ?`);
        assert.equal(update.run(BigInt(seconds), session).changes, 1, "there is no such session");
      } finally {
        database.close();
      }
    },
    async stop() {
      if (program.exitCode !== null) return;
      const ended = once(program, "exit");
      program.kill();
      await ended;
      written.close();
    },
  };
}

/** The link with a ticket that a letter holds. */
export function linkIn(letter) {
  const link = letter.split(/\s/).find((word) => word.includes("?ticket="));
  assert.ok(link, letter);
  return link;
}
