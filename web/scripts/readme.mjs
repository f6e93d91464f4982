// The two pictures of the README: node web/scripts/readme.mjs REPORT.html, for a report of examples/agentdojo with --fit.
import { resolve } from "node:path";
import { chromium } from "playwright-core";

const report = resolve(process.argv[2]);
const images = resolve(import.meta.dirname, "../../docs/images");
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
for (const [name, colorScheme, from, to] of [
  ["report-light.png", "light", "#what-if", "#gap"],
  ["report-dark.png", "dark", "#pairs", "#patterns"],
]) {
  const page = await browser.newPage({ viewport: { width: 1000, height: 900 }, colorScheme });
  await page.goto(`file://${report}`);
  await page.waitForSelector("#chart-patterns svg");
  const boxes = await page.evaluate(([a, b]) => [a, b].map((s) => document.querySelector(s).getBoundingClientRect().toJSON()), [from, to]);
  await page.screenshot({ path: resolve(images, name), fullPage: true, clip: { x: 0, y: boxes[0].y, width: 1000, height: boxes[1].bottom - boxes[0].y } });
  await page.close();
}
await browser.close();
