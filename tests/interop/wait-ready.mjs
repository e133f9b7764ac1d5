// Waits until a URL answers 200, at most 60 seconds, and gives up at once when the process that should answer is gone.
const [url, pid] = process.argv.slice(2);
const deadline = Date.now() + 60_000;

for (;;) {
  try {
    if ((await fetch(url)).status === 200) break;
  } catch {
    // Nobody listens yet.
  }
  try {
    process.kill(Number(pid), 0);
  } catch {
    console.error(`process ${pid} ended before ${url} answered`);
    process.exit(1);
  }
  if (Date.now() > deadline) {
    console.error(`${url} did not answer 200 within 60 seconds`);
    process.exit(1);
  }
  await new Promise((resume) => setTimeout(resume, 50));
}
