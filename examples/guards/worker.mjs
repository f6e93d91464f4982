// Run one prompt-injection guard as a worker: one JSON request per line on stdin, one JSON reply per line on stdout.
//
//     node worker.mjs vard|llm_guardrail|llm_guardrail_injection
//
// The protocol is that of worker.py. The packages are those of env/node_modules.

import { writeSync } from "node:fs";

// Only replies may go to stdout.
console.log = console.info = console.debug = console.error;

// The packages are in env/, where the lookup of a plain name from this folder would not find them.
const load = (name, entry) => import(new URL(`env/node_modules/${name}/${entry}`, import.meta.url));

const guards = {
  // vard.safe(): regular expressions, with the default (moderate) preset. Block: safe is false, which is what vard()
  // throws at: an instruction override, role manipulation or prompt leak of severity 0.7 or more, or over 10,000 characters.
  // Delimiters and encodings are sanitised by that preset and let through, so they do not count as blocked.
  // The score is the worst severity of the threats that block.
  async vard() {
    const { default: vard } = await load("@andersmyrmel/vard", "dist/index.js");
    return (prompt) => {
      const result = vard.safe(prompt);
      if (result.safe) return { blocked: false, score: 0, labels: [] };
      return {
        blocked: true,
        score: Math.max(...result.threats.map((threat) => threat.severity)),
        labels: result.threats.map((threat) => threat.type),
      };
    };
  },

  // checkAll(), which its manual recommends: TF-IDF and logistic regression, three models (injection, jailbreak, malicious).
  // Block: allowed is false (any model at 0.5 or more). The score is the highest probability of the three; it is never under
  // 0.4476, what the malicious model gives a prompt without any of its 295 terms.
  async llm_guardrail() {
    const { checkAll } = await load("llm_guardrail", "index.js");
    return async (prompt) => {
      const result = await checkAll(prompt);
      return {
        blocked: !result.allowed,
        score: Math.max(result.injection.confidence, result.jailbreak.confidence, result.malicious.confidence),
        labels: result.threatsDetected,
      };
    };
  },

  // checkInjection() of the same package: the injection model alone. Block: detected (0.5 or more).
  async llm_guardrail_injection() {
    const { checkInjection } = await load("llm_guardrail", "index.js");
    return async (prompt) => {
      const result = await checkInjection(prompt);
      return { blocked: result.detected, score: result.confidence, labels: [] };
    };
  },
};

// A guard that throws has not judged: that is an error, neither held nor failed.
async function answer(judge, line) {
  let id = null;
  try {
    const request = JSON.parse(line);
    id = request.id ?? null;
    const prompt = request.messages.filter((message) => message.role === "user").at(-1).content;
    if (typeof prompt !== "string") throw new TypeError("the content must be a string");
    const { blocked, score, labels } = await judge(prompt);
    const reply = { id, outcome: blocked ? "held" : "failed", score: Number(score.toFixed(6)) };
    if (labels.length > 0) reply.labels = [...new Set(labels)].sort();
    return reply;
  } catch (error) {
    return { id, outcome: "error", reason: error?.constructor?.name ?? typeof error };
  }
}

const name = process.argv[2];
if (!Object.hasOwn(guards, name ?? "")) {
  console.error(`usage: node worker.mjs ${Object.keys(guards).join("|")}`);
  process.exit(2);
}
const judge = await guards[name]();
// Not node:readline, which would also cut a line at U+2028 and U+2029: both may stand raw in a JSON string.
let rest = Buffer.alloc(0);
for await (const chunk of process.stdin) {
  rest = Buffer.concat([rest, chunk]);
  for (let end; (end = rest.indexOf(10)) >= 0; rest = rest.subarray(end + 1)) {
    const line = rest.subarray(0, end).toString("utf8");
    if (line.trim()) writeSync(1, JSON.stringify(await answer(judge, line)) + "\n");
  }
}
if (rest.toString("utf8").trim()) writeSync(1, JSON.stringify(await answer(judge, rest.toString("utf8"))) + "\n");
