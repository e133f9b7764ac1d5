// The example servers as their operators run them: a program, told by variables.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "./callback.mjs";

/** Calls `look` again and again until it gives something, at most 30 seconds. */
export async function until(what, look) {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const found = await look();
    if (found) return found;
    assert.ok(Date.now() < deadline, `${what}: not within 30 seconds`);
    await new Promise((resume) => setTimeout(resume, 50));
  }
}

let started = 0;

/** Starts an example at a free port; `told` is given its public URL and answers its variables. */
export async function startExample(name, told) {
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const url = `${origin}/mcp`;
  const log = join(process.env.INTEROP_LOGS, `${name}-${process.pid}-${(started += 1)}.log`);
  const written = createWriteStream(log);
  await once(written, "open");
  const program = spawn(join(process.env.EXAMPLES_BIN, name), [], {
    env: { LISTEN: `127.0.0.1:${port}`, PUBLIC_URL: url, ...(await told(url)) },
    stdio: ["ignore", written, written],
  });
  const metadata = `${origin}/.well-known/oauth-protected-resource/mcp`;
  await until(`${name} listens`, async () => {
    assert.equal(program.exitCode, null, `${name} ended: ${await readFile(log, "utf8")}`);
    return fetch(metadata).then((response) => response.ok).catch(() => false);
  });
  return {
    url,
    origin,
    /** What it has logged until now. */
    log: () => readFile(log, "utf8"),
    async stop() {
      const ended = once(program, "exit");
      program.kill();
      await ended;
      written.close();
    },
  };
}
