/** What a policy may make the evaluator do and keep, counted. */
import { assertEquals, assertThrows } from "@std/assert";
import { Allowance } from "../../policies/allowance.ts";
import { DEFAULT_WORK } from "../../sandbox/limits.ts";
import { PolicyError } from "../../policies/check.ts";
import type { Settings } from "../../quant/family.ts";

const place = (layer: number, kind: "key" | "value") =>
  ({ layer, kind, family: "kvquant" }) as Settings;

Deno.test("every layer and kind has its own number of calibrations", () => {
  const allowance = new Allowance({ ...DEFAULT_WORK, calibrations: 2 });
  for (const at of [place(0, "key"), place(0, "value"), place(1, "key")]) {
    allowance.calibrate(at);
    allowance.calibrate(at);
  }
  assertThrows(
    () => allowance.calibrate(place(0, "value")),
    PolicyError,
    'Layer 0 values: family "kvquant" has learned offline for 2 different settings',
  );
  const trusted = new Allowance();
  for (let i = 0; i < 100; i++) trusted.calibrate(place(0, "key"));
});

Deno.test("bytes that are kept add up, and leave less for what may be made again", () => {
  const allowance = new Allowance({ ...DEFAULT_WORK, heldMib: 1 });
  assertEquals(allowance.forMemory, 2 ** 20);
  allowance.hold(2 ** 19);
  assertEquals(allowance.forMemory, 2 ** 19);
  allowance.hold(2 ** 19);
  assertEquals(allowance.forMemory, 0);
  assertThrows(() => allowance.hold(2 ** 19), PolicyError, "takes 1.5 MiB, more than 1 ");
  new Allowance().hold(2 ** 40);
});

Deno.test("time is counted while there is work, over all of it", async () => {
  const allowance = new Allowance({ ...DEFAULT_WORK, workMs: 40 });
  const sleep = (ms: number) => new Promise((done) => setTimeout(done, ms));
  await sleep(60);
  allowance.check();
  await allowance.working(() => sleep(30));
  await allowance.working(async () => {
    await sleep(30);
    assertThrows(() => allowance.check(), PolicyError, "more than 0.04 s in one run");
  });
});
