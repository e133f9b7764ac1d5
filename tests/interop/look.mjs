// What must hold of how a page looks, whatever it says.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import axe from "axe-core";

const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 360, height: 740 };

/** Each way to look at a page: the size of the window, and what the person likes. */
export const LOOKS = {
  light: { size: DESKTOP, colorScheme: "light" },
  dark: { size: DESKTOP, colorScheme: "dark" },
  phone: { size: PHONE, colorScheme: "light" },
};

/** Looks at the page that is open in one of [`LOOKS`], and fails with whatever is wrong; axe-core looks at `readable`. */
export async function assertLooks(page, look, name, readable = page) {
  const { size, colorScheme } = LOOKS[look];
  for (const one of new Set([page, readable])) {
    await one.setViewportSize(size);
    await one.emulateMedia({ colorScheme, reducedMotion: "reduce" });
  }
  await picture(page, `${look}-${name}`);
  await assertFits(page, `${name}, ${look}`);
  await assertPainted(page, colorScheme, name);
  await assertAccessible(readable, `${name}, ${look}`);
}

/** Turns the page round, as for Arabic or Hebrew, and back. */
export async function assertTurns(page, look, name) {
  await page.setViewportSize(LOOKS[look].size);
  await page.evaluate(() => document.documentElement.setAttribute("dir", "rtl"));
  await picture(page, `rtl-${look}-${name}`);
  await assertFits(page, `${name}, from right to left, ${look}`);
  await page.evaluate(() => document.documentElement.setAttribute("dir", "ltr"));
}

async function picture(page, name) {
  const folder = join(process.env.INTEROP_OUT, "screenshots");
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name.replaceAll(/[^a-z]+/gi, "-")}.png`), fullPage: true });
}

/** Nothing scrolls sideways, and no words or fields lie on others. */
async function assertFits(page, name) {
  const [wide, lying] = await page.evaluate(() => {
    const things = [];
    const shown = (element) =>
      element.checkVisibility({ visibilityProperty: true }) && !element.closest(".hidden, option, svg");
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      if (node.nodeType === Node.TEXT_NODE) {
        if (!node.data.trim() || !shown(node.parentElement)) continue;
        const range = document.createRange();
        range.selectNodeContents(node);
        // Glyphs may reach out of a narrow line without touching those of the next.
        const lines = [...range.getClientRects()].map(({ left, right, top, bottom }) => {
          const inset = (bottom - top) / 4;
          return { left, right, top: top + inset, bottom: bottom - inset };
        });
        things.push({ node, what: node.data.trim().slice(0, 40), boxes: lines });
      } else if (node.matches("input:not([type=hidden]), button, .button, img, svg.qr") && shown(node)) {
        things.push({ node, what: node.outerHTML.slice(0, 60), boxes: [node.getBoundingClientRect()] });
      }
    }
    const lie = (one, other) =>
      Math.min(one.right, other.right) - Math.max(one.left, other.left) > 1 &&
      Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top) > 1;
    const pairs = things.flatMap((one, index) => things.slice(index + 1).map((other) => [one, other]));
    const lying = pairs
      .filter(([one, other]) => !one.node.contains(other.node) && !other.node.contains(one.node))
      .filter(([one, other]) => one.boxes.some((box) => other.boxes.some((over) => lie(box, over))))
      .map(([one, other]) => `"${one.what}" and "${other.what}"`);
    return [document.documentElement.scrollWidth > innerWidth, lying];
  });
  assert.ok(!wide, `the page ${name} scrolls sideways`);
  assert.deepEqual(lying, [], `things on the page ${name} lie on each other`);
}

async function assertPainted(page, colorScheme, name) {
  const light = await page.evaluate(() => {
    const paints = [document.body, document.documentElement].map((one) => getComputedStyle(one).backgroundColor);
    const paint = paints.find((one) => one !== "rgba(0, 0, 0, 0)");
    // What is not painted is what the browser takes for a page of this scheme.
    if (!paint) return !(getComputedStyle(document.documentElement).colorScheme.includes("dark") && matchMedia("(prefers-color-scheme: dark)").matches);
    const [red, green, blue] = paint.match(/[\d.]+/g).map(Number);
    return red + green + blue > 382;
  });
  assert.equal(light, colorScheme === "light", `the page ${name} is ${light ? "light" : "dark"}`);
}

/** WCAG 2.2 AA, what axe-core calls good practice, and the size of what is pressed (2.5.8), which it looks at only when asked. */
async function assertAccessible(page, name) {
  // Not by a script element, which the page forbids.
  await page.evaluate(axe.source);
  const rules = { "target-size": { enabled: true } };
  const { violations } = await page.evaluate((options) => window.axe.run(options), { resultTypes: ["violations"], rules });
  const found = violations.map(({ id, impact, help, nodes }) => `${id} (${impact}): ${help}: ${nodes.map((node) => node.html).join(" ")}`);
  assert.deepEqual(found, [], `axe-core complains about the page ${name}`);
}
