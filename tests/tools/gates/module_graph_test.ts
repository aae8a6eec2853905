import { assertEquals, assertRejects } from "@std/assert";
import { moduleGraph, sourceFiles } from "../../../tools/gates/module_graph.ts";
import { temporaryProject } from "./temporary_project.ts";

/** The smallest module of WebAssembly. */
const WASM = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

Deno.test("imports of every kind are found, and those of types alone are told apart", async () => {
  await using project = await temporaryProject({
    "deno.json": JSON.stringify({ imports: { "library": "./library/mod.ts" } }),
    "library/mod.ts": "export const library = 1;",
    "a.ts": `
      import type { Shape } from "./types.ts";
      import { type Shape as Again, value } from "./mixed.ts";
      import shader from "./shader.wgsl" with { type: "text" };
      import data from "./data.json" with { type: "json" };
      import * as wasm from "./run.wasm";
      import { library } from "library";
      export * from "./exported.ts";
      export type Late = typeof import("./late_type.ts");
      export const all: unknown[] = [value, shader, data, wasm, library];
      export const late = () => import("./late.ts");
      export const text = () => import("./lines.jsonl", { with: { type: "text" } });
      export const shapes = (shape: Shape | Again) => shape;
    `,
    "types.ts": "export type Shape = 1;",
    "mixed.ts": 'import type { Shape } from "./types.ts";\nexport type { Shape };\n' +
      "export const value = 1;",
    "shader.wgsl": "",
    "data.json": "{}",
    "run.wasm": WASM,
    "exported.ts": "export const more = 1;",
    "late_type.ts": "export {};",
    "late.ts": "export {};",
    "lines.jsonl": "{}",
    "alone.ts": 'import "./a.ts";',
  });
  const graph = await moduleGraph(project.url, ["a.ts", "alone.ts"]);
  const kinds = graph.map(({ from, to, typesOnly }) => `${from} ${typesOnly ? "::" : ":"} ${to}`);
  assertEquals(kinds.sort(), [
    "a.ts : data.json",
    "a.ts : exported.ts",
    "a.ts : late.ts",
    "a.ts : lines.jsonl",
    "a.ts : mixed.ts",
    "a.ts : run.wasm",
    "a.ts : shader.wgsl",
    "a.ts :: late_type.ts",
    "a.ts :: types.ts",
    "alone.ts : a.ts",
    "mixed.ts :: types.ts",
  ]);
});

Deno.test("an import of what is not there is refused", async () => {
  await using project = await temporaryProject({ "a.ts": 'import "./b.ts";' });
  await assertRejects(() => moduleGraph(project.url, ["a.ts"]), Error, "b.ts");
});

Deno.test("source files are those of every folder that is not left out", async () => {
  await using project = await temporaryProject({
    "deno.json": '{ "exclude": ["dist"] }',
    "a.ts": "",
    "deep/er/b.ts": "",
    "c.js": "",
    "dist/d.ts": "",
    ".hidden/e.ts": "",
    "node_modules/f.ts": "",
  });
  assertEquals(await sourceFiles(project.url), ["a.ts", "deep/er/b.ts"]);
});
