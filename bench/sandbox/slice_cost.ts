/**
 * What the sandbox costs on a whole slice: the same built-in policy in this process and in the
 * sandbox, run in turn, with references from disk. Prints the wall time of both (the least of all
 * turns, which other work on the machine disturbs least) and whether their numbers are the same.
 *
 * ```sh
 * deno run --allow-read --allow-write --allow-ffi --allow-run bench/sandbox/slice_cost.ts longbench 5
 * ```
 *
 * @module
 */
import type { PolicyHost } from "../../policies/host.ts";
import { hostBuiltin, type PolicyName } from "../../policies/registry.ts";
import { SandboxHost } from "../../policies/guest/sandbox_host.ts";
import type { SliceNumbers } from "../../replay/metric.ts";
import { open } from "../../evaluation/lab.ts";
import type { SliceName } from "../../benchmarks/slices.ts";
import { builtinSource } from "./builtin_source.ts";

const POLICIES: readonly PolicyName[] = ["kivi_overlap_4bit", "uniform_quant_4bit"];

const name = (Deno.args[0] ?? "longbench") as SliceName;
const turns = Number(Deno.args[1] ?? 5);
const cache = await Deno.makeTempDir();
await using lab = await open("mini", { device: "cpu", cache });

interface Turn {
  /** Wall time of the slice, the start of the policy included. */
  readonly ms: number;
  readonly numbers: SliceNumbers;
}

async function turn(open: () => Promise<PolicyHost>): Promise<Turn> {
  const start = performance.now();
  const host = await open();
  const { numbers } = await lab.replay(name, host);
  await host.close();
  return { ms: performance.now() - start, numbers };
}

/** The numbers that must not depend on where a policy runs. */
function untimed({ numbers }: Turn): string {
  const { decode_tokens_per_s: _d, prefill_latency_ms: _p, calibration_cost_s: _c, ...rest } =
    numbers;
  return JSON.stringify(rest);
}

for (const builtin of POLICIES) {
  const source = await builtinSource(builtin);
  const inside: Turn[] = [], boxed: Turn[] = [];
  for (let i = 0; i < turns; i++) {
    inside.push(await turn(() => Promise.resolve(hostBuiltin(builtin))));
    boxed.push(await turn(() => SandboxHost.open(source)));
  }
  const least = (all: Turn[]) => Math.min(...all.map(({ ms }) => ms));
  const same = new Set([...inside, ...boxed].map(untimed)).size === 1;
  console.log(
    `${name} ${builtin}: ${inside[0]!.numbers.steps} steps, ` +
      `${least(inside).toFixed(0)} ms in process, ${least(boxed).toFixed(0)} ms in the sandbox, ` +
      `cost ${(100 * (least(boxed) / least(inside) - 1)).toFixed(1)} %; ` +
      `numbers ${same ? "identical" : "DIFFER"}`,
  );
}
await Deno.remove(cache, { recursive: true });
