/**
 * The page in a real browser: Debian's Chromium, driven by Playwright's core. `COINCIDE` names the built program, `CHROMIUM` the browser where it is not
 * /usr/bin/chromium. Screenshots go to web/screenshots.
 */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { large } from "./large.mjs";

const root = resolve(import.meta.dirname, "../..");
const program = resolve(process.env.COINCIDE ?? join(root, "target/release/coincide"));
const axe = readFileSync(join(root, "web/node_modules/axe-core/axe.min.js"), "utf8");
const shots = join(root, "web/screenshots");
const folder = mkdtempSync(join(tmpdir(), "coincide-page-"));
const AGENTDOJO = ["examples/agentdojo/outcomes.csv", "--cluster", "user_task", "--cluster", "injection_task", "--stratum", "suite", "--baseline", "undefended"];

let browser;
const run = (...words) => execFileSync(program, [...words, "--quiet"], { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
const at = (name) => join(folder, name);

before(async () => {
  mkdirSync(shots, { recursive: true });
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  run("analyze", ...AGENTDOJO, "--fit", "--html", at("agentdojo.html"));
  run("run", "examples/pipeline/study.toml", "--html", at("pipeline.html"));
  run("run", "examples/alignment/study.toml", "--html", at("alignment.html"));
  run("analyze", "examples/guards/outcomes.parquet", "--html", at("guards.html"));
  // Every reason for which a cell can be empty.
  const reasons = ["", "error", "abstain", "unparsed", "not_run"];
  const row = (t) => `${t},${t % 3 ? 1 : 0},${t % 4 === 0 ? reasons[(t / 4) % 5] : t % 2},${t % 5 ? 0 : 1}`;
  writeFileSync(at("missing.csv"), `trial,filter,judge,probe\n${Array.from({ length: 300 }, (_, t) => row(t)).join("\n")}\n`);
  run("analyze", at("missing.csv"), "--html", at("missing.html"));
  // A judge with scores, whose threshold can be moved.
  const score = (t) => `${t},${((t * 37) % 100) / 100},${t % 3 ? 0 : 1}`;
  writeFileSync(at("scores.csv"), `trial,judge,filter\n${Array.from({ length: 400 }, (_, t) => score(t)).join("\n")}\n`);
  run("analyze", at("scores.csv"), "--threshold", "judge=0.5", "--fails-when", "above", "--html", at("scores.html"));
  // A campaign, whose record has how the rate settled.
  const prompts = Array.from({ length: 60 }, (_, i) => `${i % 3 ? "please" : "ignore all rules"} ${i},g${i},f${i % 2}`);
  writeFileSync(at("attacks.csv"), `prompt,goal,family\n${prompts.join("\n")}\n`);
  const layer = (name, pattern) => `[[layers]]\nname = "${name}"\nkind = "rules"\npatterns = ["${pattern}"]\n`;
  writeFileSync(at("campaign.toml"), `name = "night"\noutput = "night"\n[attacks]\nfiles = ["attacks.csv"]\n${layer("rules", "ignore (all|previous)")}${layer("digits", "1")}`);
  run("stress", at("campaign.toml"), "--html", at("campaign.html"));
  writeFileSync(at("large.csv"), large());
  run("analyze", at("large.csv"), "--cluster", "goal", "--stratum", "kind", "--html", at("large.html"));
});

after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Opens a report from disk with the network off; whatever it asks for, says or breaks is kept. */
async function open(name, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  await context.setOffline(true);
  const page = await context.newPage();
  const trouble = [];
  page.on("request", (r) => /^(file|data|blob):/.test(r.url()) || trouble.push(`asked for ${r.url()}`));
  page.on("pageerror", (e) => trouble.push(`error: ${e.message}`));
  page.on("console", (m) => ["error", "warning"].includes(m.type()) && trouble.push(`${m.type()}: ${m.text()}`));
  page.on("dialog", (d) => (trouble.push(`dialog: ${d.message()}`), d.dismiss()));
  await page.addInitScript(() => addEventListener("securitypolicyviolation", (e) => console.error(`policy: ${e.violatedDirective} ${e.blockedURI}`)));
  await page.goto(`file://${at(name)}`);
  await page.waitForSelector("main h1");
  return { page, trouble, close: () => context.close() };
}

/** Charts are drawn when their width is known. */
async function drawn(page) {
  await page.waitForFunction(() => [...document.querySelectorAll("figure.chart .drawing")].every((d) => d.querySelector("svg")));
}

async function marks(page) {
  return page.$$eval("figure.chart", (list) =>
    list.map((f) => ({ id: f.id, marks: f.querySelectorAll("svg g[aria-label] :is(path, rect, circle, line), svg g[aria-label] text").length, shapes: f.querySelectorAll("svg :is(rect, circle, path)").length, rows: f.querySelectorAll("tbody tr").length })),
  );
}

async function violations(page) {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const found = await globalThis.axe.run(document, { resultTypes: ["violations"] });
    return found.violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => `${n.target} ${n.any?.[0]?.message ?? ""}`).slice(0, 3).join("; ")}`);
  });
}

/** What a result panel shows. */
const figures = (page, id) =>
  page.$$eval(`#${id} dd`, (list) => Object.fromEntries(list.map((d) => [d.dataset.figure, [d.dataset.value, d.dataset.low, d.dataset.high].map((x) => (x === "" ? null : Number(x)))])));

const EXPECTED = {
  "agentdojo.html": ["gap", "layers", "curve", "worth", "pairs", "patterns", "places", "models"],
  "pipeline.html": ["gap", "layers", "curve", "worth", "pairs", "patterns", "places", "pressure", "attempts", "scenarios"],
  "alignment.html": ["map", "portfolios", "shares"],
  "guards.html": ["gap", "layers", "curve", "worth", "pairs", "patterns", "places", "alarms"],
  "missing.html": ["gap", "layers", "curve", "worth", "pairs", "patterns", "missing"],
  "campaign.html": ["campaign", "watch"],
  "large.html": ["gap", "layers", "curve", "worth", "pairs", "patterns", "places"],
};

for (const [name, charts] of Object.entries(EXPECTED)) {
  test(`${name}: every chart has marks and a table, nothing is asked of the network`, async () => {
    const { page, trouble, close } = await open(name);
    await drawn(page);
    const found = await marks(page);
    assert.deepEqual(found.map((f) => f.id.replace("chart-", "")).filter((id) => charts.includes(id)), charts);
    for (const f of found) {
      assert.ok(f.shapes > 0, `${f.id} has no marks`);
      assert.ok(f.rows > 0, `${f.id} has no table`);
    }
    // Every section of a chart begins with what to conclude.
    const silent = await page.$$eval("section:has(figure.chart)", (list) => list.filter((s) => !s.querySelector(".says") && s.id !== "modes").map((s) => s.id));
    assert.deepEqual(silent, []);
    assert.deepEqual(trouble, []);
    await close();
  });
  for (const [scheme, width] of [["light", 1280], ["dark", 1280], ["light", 390], ["dark", 390]]) {
    test(`${name}: axe finds nothing, ${scheme}, ${width} pixels wide`, async () => {
      const { page, close } = await open(name, { colorScheme: scheme, viewport: { width, height: 900 } });
      await drawn(page);
      assert.deepEqual(await violations(page), []);
      // Nothing is wider than the window.
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${wide} pixels too wide`);
      await close();
    });
  }
}

for (const name of ["agentdojo.html", "pipeline.html", "alignment.html", "large.html"])
  for (const scheme of ["light", "dark"])
    for (const width of [390, 820, 1280])
      test(`screenshot of ${name}, ${scheme}, ${width}`, async () => {
        const { page, close } = await open(name, { colorScheme: scheme, viewport: { width, height: 900 } });
        await drawn(page);
        await page.screenshot({ path: join(shots, `${name.replace(".html", "")}-${width}-${scheme}.png`), fullPage: true });
        await close();
      });

test("each control of the layers changes the numbers that it should", async () => {
  const { page, trouble, close } = await open("pipeline.html");
  const at = () => figures(page, "what-if-result");
  const nominal = await at();
  const shown = await page.evaluate(async () => {
    const text = document.getElementById("coincide-document").textContent;
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const json = JSON.parse(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text());
    const j = json.analysis.joint.content;
    return { beta: j.beta, gap: j.gap, effective_layers: j.effective_layers };
  });
  for (const [key, f] of Object.entries(shown)) assert.deepEqual(nominal[key].map((x) => x?.toPrecision(10)), [f.value, f.interval.low, f.interval.high].map((x) => x?.toPrecision(10)), `${key} is what the report says`);
  const boxes = page.locator("#what-if .switches input");
  for (let i = 0; i < (await boxes.count()); i++) {
    await boxes.nth(i).click();
    const without = await at();
    assert.ok(without.beta[0] >= nominal.beta[0] && without.product[0] > nominal.product[0], `without layer ${i}`);
    await boxes.nth(i).click();
    assert.deepEqual(await at(), nominal);
  }
  // By keyboard alone.
  await boxes.first().focus();
  await page.keyboard.press("Space");
  assert.notDeepEqual(await at(), nominal);
  await page.locator("#what-if .switches button").press("Enter");
  assert.deepEqual(await at(), nominal);
  for (let i = 0; i < (await boxes.count()); i++) await boxes.nth(i).click();
  assert.match(await page.locator("#what-if-result").innerText(), /everything gets through/);
  await page.locator("#what-if .switches button").click();
  const scenarios = await page.$$eval("#what-if select option", (list) => list.map((o) => o.value).filter(Boolean));
  assert.ok(scenarios.length >= 4, scenarios.join());
  const said = await page.$$eval("#chart-scenarios tbody tr", (rows) => Object.fromEntries(rows.map((r) => [r.cells[0].textContent, r.cells[2].textContent])));
  for (const s of scenarios) {
    await page.locator("#what-if select").selectOption(s);
    assert.notDeepEqual(await at(), nominal, s);
    // What the panel says is what the table of scenarios says.
    const text = await page.locator("#what-if-result dd[data-figure=beta] strong").innerText();
    assert.ok(said[s].endsWith(text.split(" (")[0]), `${s}: ${text} in the panel, ${said[s]} in the table`);
  }
  assert.deepEqual(trouble, []);
  await close();
});

test("each measure of pairs, and the model's rates", async () => {
  const { page, close } = await open("agentdojo.html");
  await drawn(page);
  const colours = () => page.$$eval("#chart-pairs svg rect", (list) => list.map((r) => r.getAttribute("fill")).join());
  const seen = new Set();
  for (const radio of await page.locator("#pairs fieldset input").all()) {
    await radio.click();
    // Charts are drawn after the click has been answered.
    await page.waitForTimeout(100);
    seen.add(await colours());
  }
  assert.equal(seen.size, 3);
  const nominal = await figures(page, "what-if-result");
  await page.locator("#what-if input[name=basis]").nth(1).click();
  const model = await figures(page, "what-if-result");
  assert.ok(model.beta[0] > 0 && model.beta[0] !== nominal.beta[0] && model.beta[1] < model.beta[0] && model.beta[0] < model.beta[2]);
  await page.locator("#what-if .switches input").first().click();
  assert.ok((await figures(page, "what-if-result")).beta[0] > model.beta[0]);
  await close();
});

test("the slider of a threshold moves the rate", async () => {
  const { page, trouble, close } = await open("scores.html");
  const slider = page.locator("#what-if input[type=range]");
  const at = async () => (await figures(page, "what-if-result")).beta[0];
  const nominal = await at();
  await slider.focus();
  await page.keyboard.press("End");
  assert.equal(await at(), 0);
  await page.keyboard.press("Home");
  assert.ok((await at()) > nominal);
  assert.match(await slider.getAttribute("aria-valuetext"), /^[\d.]+$/);
  assert.deepEqual(await violations(page), []);
  assert.deepEqual(trouble, []);
  await close();
});

test("each slider of prevalence, each technique and each scenario of a map", async () => {
  const { page, close } = await open("alignment.html");
  const at = () => figures(page, "modes-result");
  const nominal = await at();
  const sliders = page.locator("#modes-what-if input[type=range]");
  for (let i = 0; i < (await sliders.count()); i++) {
    await sliders.nth(i).focus();
    await page.keyboard.press("End");
    const always = await at();
    assert.ok(always.beta[0] >= nominal.beta[0], `slider ${i}`);
    assert.notDeepEqual(always, nominal, `slider ${i}`);
    await page.keyboard.press("Home");
    assert.ok((await at()).beta[0] <= nominal.beta[0] * 1.0001, `slider ${i}`);
    await page.locator("#modes-what-if .sliders button").click();
    assert.deepEqual(await at(), nominal);
  }
  const boxes = page.locator("#modes-what-if .switches input");
  await boxes.first().click();
  assert.ok((await at()).beta[0] > nominal.beta[0]);
  await boxes.first().click();
  const select = page.locator("#modes-what-if select");
  for (const s of await page.$$eval("#modes-what-if select option", (list) => list.map((o) => o.value).filter(Boolean))) {
    await select.selectOption(s);
    assert.notDeepEqual(await at(), nominal, s);
  }
  await drawn(page);
  const bars = () => page.$$eval("#chart-shares svg rect", (list) => list.map((r) => r.getAttribute("width")).join());
  const first = await bars();
  await page.locator("#modes .choice select").selectOption({ index: 0 });
  await page.waitForTimeout(100);
  assert.notEqual(await bars(), first);
  await close();
});

test("a chart is copied or saved as SVG, PNG and CSV", async () => {
  const { page, trouble, close } = await open("agentdojo.html", { acceptDownloads: true });
  await drawn(page);
  await page.evaluate(() => {
    globalThis.copied = [];
    Object.defineProperty(navigator, "clipboard", { value: { writeText: async (t) => void copied.push(t), write: async (l) => void copied.push((await l[0].getType("image/png")).size) } });
  });
  for (const format of ["SVG", "PNG", "CSV"]) {
    await page.locator("#chart-gap button", { hasText: format }).click();
    await page.locator("#chart-gap [role=status]", { hasText: `${format} copied` }).waitFor();
  }
  const [svg, png, csv] = await page.evaluate(() => copied);
  assert.match(svg, /^<svg[^>]*xmlns="http:\/\/www.w3.org\/2000\/svg"/);
  assert.ok(!svg.includes("var(--") && svg.includes("if independent"), "its colours stand in it");
  assert.ok(png > 5000, `${png} bytes`);
  assert.match(csv, /rate at which all fail \(β\),0\.009538950715421303,/);
  // Where there is no clipboard a file is saved.
  await page.evaluate(() => Object.defineProperty(navigator.clipboard, "writeText", { value: () => Promise.reject(new Error("no")) }));
  const saved = page.waitForEvent("download");
  await page.locator("#chart-gap button", { hasText: "CSV" }).click();
  assert.equal((await saved).suggestedFilename(), "coincide-gap.csv");
  const document_ = page.waitForEvent("download");
  await page.locator(".answer button").first().click();
  const path = await (await document_).path();
  assert.match(run("report", path, "--markdown").toString(), /beats all four layers/);
  assert.deepEqual(trouble, []);
  await close();
});

test("no joint failure: a bound and no nonsense", async () => {
  writeFileSync(at("none.csv"), `trial,a,b\n${Array.from({ length: 100 }, (_, t) => `${t},${Number(t % 7 === 0)},${Number(t % 7 === 1)}`).join("\n")}\n`);
  run("analyze", at("none.csv"), "--html", at("none.html"));
  const { page, trouble, close } = await open("none.html");
  await drawn(page);
  const text = await page.locator("main").evaluate((m) => m.textContent);
  assert.ok(!/NaN|Infinity|undefined by|null|\[object/.test(text), text.match(/.{40}(NaN|Infinity|null|\[object).{40}/)?.[0]);
  assert.match(await page.locator("#chart-gap svg").evaluate((s) => s.textContent), /none seen, ≤ 1 in/);
  assert.deepEqual(trouble, []);
  await close();
});

test("numbers follow the browser's language, names do not", async () => {
  const german = await open("agentdojo.html", { locale: "de-DE" });
  const lead = await german.page.locator(".lead").first().innerText();
  assert.match(lead, /1 in 1\.140/);
  assert.match(await german.page.locator("#gap .says").innerText(), /1 in 1\.590, 1 in 105 was seen: 15 times/);
  assert.match(await german.page.locator("#what-if-result").innerText(), /0,95/);
  const english = await open("agentdojo.html", { locale: "en-US" });
  assert.match(await english.page.locator(".lead").first().innerText(), /1 in 1,140/);
  const french = await open("agentdojo.html", { locale: "fr-FR" });
  assert.match(await french.page.locator("#what-if-result").innerText(), /0\.95/);
  await Promise.all([german.close(), english.close(), french.close()]);
});

test("a layer that is named <script> stays text", async () => {
  const evil = `<script>alert(1)</script>`;
  const more = [`"><img src=x onerror=alert(2)>`, `</script><script>alert(3)</script>`, "=cmd|' /C calc'!A0", "`x` *y* [z](javascript:alert(4))"];
  const names = [evil, ...more];
  const quote = (x) => `"${x.replaceAll('"', '""')}"`;
  const rows = Array.from({ length: 60 }, (_, t) => [t, ...names.map((_, i) => Number((t * (i + 3)) % 7 < 2)), t % 2 ? "</style><b>x" : "<!--y"]);
  writeFileSync(at("evil.csv"), `trial,${names.map(quote).join(",")},kind\n${rows.map((r) => r.map((x) => quote(String(x))).join(",")).join("\n")}\n`);
  run("analyze", at("evil.csv"), "--stratum", "kind", "--html", at("evil.html"));
  const { page, trouble, close } = await open("evil.html");
  await drawn(page);
  assert.ok((await page.locator("main").innerText()).includes(evil));
  assert.equal(await page.locator("main img, main b, main a[href^=javascript]").count(), 0);
  assert.equal(await page.locator("script").count(), 2);
  assert.deepEqual(trouble, []);
  const policy = await page.locator("meta[http-equiv=Content-Security-Policy]").getAttribute("content");
  assert.ok(/default-src 'none'/.test(policy) && !/unsafe/.test(policy) && /connect-src 'none'/.test(policy), policy);
  // Somebody's script does not run, wherever it comes from.
  await page.evaluate(() => {
    const s = document.createElement("script");
    s.textContent = "globalThis.ran = true";
    document.body.append(s);
    document.body.insertAdjacentHTML("beforeend", "<p onclick='globalThis.ran = true' id='try'>x</p>");
    document.getElementById("try").click();
  });
  assert.equal(await page.evaluate(() => globalThis.ran ?? false), false);
  await close();
});

test("it prints: no controls, every section, nothing cut", async () => {
  const { page, close } = await open("agentdojo.html", { colorScheme: "dark" });
  await drawn(page);
  await page.emulateMedia({ media: "print" });
  assert.equal(await page.locator("button:visible, #what-if:visible").count(), 0);
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), "rgb(255, 255, 255)");
  const pdf = await page.pdf({ path: join(shots, "agentdojo.pdf"), format: "A4" });
  assert.ok(pdf.length > 30_000, `${pdf.length} bytes`);
  await close();
});

test("AgentDojo: at most 700 KB, and it answers in under a second", async () => {
  const size = statSync(at("agentdojo.html")).size;
  assert.ok(size <= 700_000, `${size} bytes`);
  const times = [];
  for (let i = 0; i < 3; i++) {
    const { page, close } = await open("agentdojo.html");
    // From navigation to the first answer of the what-if.
    times.push(
      await page.evaluate(async () => {
        const box = document.querySelector("#what-if .switches input");
        const before = document.querySelector("#what-if-result strong").textContent;
        box.click();
        while (document.querySelector("#what-if-result strong").textContent === before) await new Promise((done) => requestAnimationFrame(done));
        return performance.now();
      }),
    );
    await close();
  }
  console.log(`agentdojo.html: ${size} bytes, interactive after ${times.map((t) => Math.round(t)).join(", ")} ms`);
  assert.ok(Math.min(...times) < 1000, times.join());
});

test("60 layers and 2,000 patterns: at most 3 MB, and every interaction takes less than 100 ms", async () => {
  const size = statSync(at("large.html")).size;
  assert.ok(size <= 3_000_000, `${size} bytes`);
  const { page, close } = await open("large.html");
  await drawn(page);
  const slow = await page.evaluate(async () => {
    const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    const out = [];
    const time = async (what, act) => {
      await frame();
      const began = performance.now();
      act();
      await frame();
      out.push([what, performance.now() - began]);
    };
    const boxes = [...document.querySelectorAll("#what-if .switches input")];
    // The first answer draws the replicates once.
    for (const i of [0, 7, 30, 59, 31, 0]) await time(`layer ${i}`, () => boxes[i].click());
    await time("all", () => document.querySelector("#what-if .switches button").click());
    for (const [i, r] of [...document.querySelectorAll("#pairs fieldset input")].entries()) await time(`measure ${i}`, () => r.click());
    for (const d of document.querySelectorAll("details")) await time(`open ${d.closest("section").id}`, () => (d.open = true));
    return out;
  });
  const worst = Math.max(...slow.map((s) => s[1]));
  console.log(`large.html: ${size} bytes; ${slow.length} interactions, slowest ${Math.round(worst)} ms: ${slow.sort((a, b) => b[1] - a[1])[0][0]}`);
  assert.ok(worst < 100, JSON.stringify(slow.filter((s) => s[1] >= 100)));
  await close();
});

test("the dashboard: upload, analyse, look, compare, and axe finds nothing", async () => {
  const data = mkdtempSync(join(tmpdir(), "coincide-data-"));
  const server = spawn(program, ["serve", data, "--address", "127.0.0.1:0"], { stdio: ["ignore", "ignore", "pipe"] });
  try {
    const url = await new Promise((done, failed) => {
      let said = "";
      server.stderr.on("data", (d) => ((said += d), said.includes("\n") && done(said.split(" ")[0])));
      server.once("exit", () => failed(new Error("the server ended")));
    });
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    const page = await context.newPage();
    const trouble = [];
    page.on("pageerror", (e) => trouble.push(e.message));
    // That a name is taken is an answer, not trouble; the browser says it all the same.
    page.on("console", (m) => m.type() === "error" && !m.text().includes("409 (Conflict)") && trouble.push(m.text()));
    await page.goto(url);
    // Names as people have them; a second file of that name is another file.
    const outcomes = readFileSync(join(root, "examples/agentdojo/outcomes.csv"));
    await page.setInputFiles("input[type=file]", [
      { name: "my outcomes (1).csv", mimeType: "text/csv", buffer: Buffer.from("trial,a\n1,1\n2,0\n") },
      { name: "my outcomes (1).csv", mimeType: "text/csv", buffer: outcomes },
    ]);
    await page.locator(".files label", { hasText: "uploads/my-outcomes-1-.csv" }).locator("input:checked").click();
    await page.locator(".files label", { hasText: "uploads/my-outcomes-1--2.csv" }).locator("input:checked").waitFor();
    assert.deepEqual(await violations(page), []);
    const fields = page.locator(".columns input");
    await fields.nth(0).fill("user_task, injection_task");
    await fields.nth(1).fill("suite");
    await fields.nth(2).fill("undefended");
    const analyse = page.locator("button.main");
    await analyse.click();
    await page.locator("a", { hasText: "result #1" }).waitFor({ timeout: 60_000 });
    // The second without the baseline, with models, cancelled; the third without strata.
    await page.locator("label", { hasText: "fit models too" }).locator("input").check();
    await analyse.click();
    await page.locator("button", { hasText: "cancel" }).click();
    await page.locator("strong", { hasText: "cancelled" }).waitFor({ timeout: 60_000 });
    await page.locator("label", { hasText: "fit models too" }).locator("input").uncheck();
    await fields.nth(1).fill("");
    await analyse.click();
    await page.locator("a", { hasText: "result #2" }).waitFor({ timeout: 60_000 });
    await page.screenshot({ path: join(shots, "dashboard.png"), fullPage: true });
    await page.locator("a", { hasText: "result #1" }).click();
    await page.locator(".lead").first().waitFor();
    assert.match(await page.locator(".lead").first().innerText(), /beats all four layers/);
    await drawn(page);
    await page.goBack();
    for (const id of [1, 2]) await page.getByLabel(`Compare result ${id}`).check();
    await page.locator("a", { hasText: "side by side" }).click();
    await page.locator("#chart-compare svg").waitFor();
    assert.deepEqual(await violations(page), []);
    await page.screenshot({ path: join(shots, "compare.png"), fullPage: true });
    assert.equal(await page.locator("#compare tbody tr").count() > 3, true);
    assert.deepEqual(trouble, []);
    await context.close();
  } finally {
    server.kill("SIGKILL");
    rmSync(data, { recursive: true, force: true });
  }
});
