// Types of the results document from its published schema.
import { readFile, writeFile } from "node:fs/promises";
import { compile } from "json-schema-to-typescript";

const schema = JSON.parse(await readFile(new URL("../../schema/results.schema.json", import.meta.url), "utf8"));

// A description beside a reference would make a type of its own out of every use.
function bare(node) {
  if (Array.isArray(node)) return node.map(bare);
  if (node === null || typeof node !== "object") return node;
  if (typeof node.$ref === "string") return { $ref: node.$ref };
  return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, bare(value)]));
}

const text = await compile(bare(schema), "CoincideResults", { additionalProperties: false, bannerComment: "/* Made from schema/results.schema.json by `npm run types`. */" });
await writeFile(new URL("../src/results.ts", import.meta.url), text);
