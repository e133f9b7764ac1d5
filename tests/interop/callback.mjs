// The loopback listener of a native client (RFC 8252 section 7.3).
import { createServer } from "node:http";

/** Listens on a free port of 127.0.0.1 and hands out the requests to /callback one by one. */
export async function listen() {
  const arrived = [];
  const waiting = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url, `http://${request.headers.host}`);
    if (url.pathname !== "/callback") {
      response.writeHead(204).end();
      return;
    }
    response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>Done</title>Done.");
    const answer = Object.assign(url, { method: request.method });
    const next = waiting.shift();
    if (next) next(answer);
    else arrived.push(answer);
  });
  await new Promise((resume) => server.listen(0, "127.0.0.1", resume));
  const { port } = server.address();

  return {
    port,
    redirectUri: `http://127.0.0.1:${port}/callback`,
    /** The next answer of the authorization server, as a URL with `method`; rejects after 15 seconds. */
    next() {
      if (arrived.length) return Promise.resolve(arrived.shift());
      return new Promise((resolve, reject) => {
        const give = (answer) => {
          clearTimeout(alarm);
          resolve(answer);
        };
        const alarm = setTimeout(() => {
          waiting.splice(waiting.indexOf(give), 1);
          reject(new Error("nothing arrived at the client's redirect URI within 15 seconds"));
        }, 15_000);
        waiting.push(give);
      });
    },
    /** How many answers came that nobody asked for. */
    get unread() {
      return arrived.length;
    },
    close() {
      server.closeAllConnections();
      return new Promise((resume) => server.close(resume));
    },
  };
}

/** A port of 127.0.0.1 that was free a moment ago. */
export async function freePort() {
  const listener = await listen();
  await listener.close();
  return listener.port;
}
