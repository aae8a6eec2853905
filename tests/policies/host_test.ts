/** A policy of the caller's in this process: what it is given and what it gives are data. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { miniQuestion } from "../../bench/sandbox/questions.ts";
import type { CalibrationStatistics } from "../../policies/calibration_statistics.ts";
import { PolicyError } from "../../policies/check.ts";
import { InProcessHost } from "../../policies/host.ts";
import type { Policy, WorkloadMeta } from "../../policies/policy.ts";
import { hostBuiltin, policyNames } from "../../policies/registry.ts";
import { SandboxHost } from "../../policies/guest/sandbox_host.ts";

const GOOD: Policy = {
  choose_bits: () => 2,
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "offline",
};

const hostOf = (more: object) => new InProcessHost("mine", { ...GOOD, ...more });

Deno.test("what one policy does to its statistics is not what the next is given", async () => {
  const samples = { layers: [1, 2] } as unknown as CalibrationStatistics;
  const host = hostOf({ calibrate: ({ layers }: { layers: unknown[] }) => layers.splice(0) });
  assertEquals(await host.calibrate(samples), [1, 2]);
  assertEquals(await host.calibrate(samples), [1, 2]);
});

Deno.test("a lesson is data, and a copy", async () => {
  const lesson = { widths: [2] };
  const taught = await hostOf({ calibrate: () => Promise.resolve(lesson) }).calibrate({} as never);
  assertEquals(taught, lesson);
  lesson.widths[0] = 4;
  assertEquals(taught, { widths: [2] });
  for (
    const calibrate of [() => ({ f() {} }), () =>
      Promise.resolve({
        get x() {
          throw 7;
        },
      })]
  ) {
    await assertRejects(
      () => hostOf({ calibrate }).calibrate({} as never),
      PolicyError,
      "calibrate() returned more than plain data",
    );
  }
  const failing = hostOf({ calibrate: () => Promise.reject(new RangeError("late")) });
  await assertRejects(
    () => failing.calibrate({} as never),
    PolicyError,
    "It threw RangeError: late",
  );
});

Deno.test("answers that a policy changes later are those that it gave", () => {
  const options = { zero: true };
  const host = hostOf({ family_options: () => options });
  const [first] = host.plan(miniQuestion(0));
  options.zero = false;
  assertEquals(first!.optional, { family_options: { zero: true } });
});

Deno.test("no policy of this project asks what was stored, so their sizes are told together", async () => {
  const question = miniQuestion(1);
  const { used_bits: _, remaining_bits: __, ...known } = question.budget;
  const told = (what: string) => ({
    get: () => {
      throw new Error(`asked for ${what}`);
    },
    enumerable: true,
  });
  const budget = Object.defineProperties({ ...known }, {
    used_bits: told("used_bits"),
    remaining_bits: told("remaining_bits"),
  }) as typeof question.budget;
  const component = { variance: 1, energy: 1, bits: [[2, 1]], error: [[0.1, 0.2]] };
  const layer = { key: [component], value: [component], sensitivity: { key: 1, value: 1 } };
  const transform = { widths: [2], steps: [1, 0.5], layers: new Array(8).fill(layer) };
  for (const name of policyNames) {
    const host = hostBuiltin(name);
    // What it learns from decides, too; it has no other.
    if (name.startsWith("adaptive")) {
      await host.calibrationMode({} as WorkloadMeta, budget);
      await host.calibrate({ families: { transform } } as unknown as CalibrationStatistics);
    }
    assertEquals(host.hearsSizes, false, name);
    assertEquals(await host.plan({ ...question, budget }), await host.plan(question), name);
  }
  assertEquals(hostBuiltin("kivi_overlap_4bit@g64").hearsSizes, false);
  assertEquals(hostOf({}).hearsSizes, true);
});

Deno.test("an outside_budget that is no truth value is refused, in and out of the sandbox", async () => {
  const sentence = 'Policy "mine" has an outside_budget that is neither true nor false';
  assertThrows(() => hostOf({ outside_budget: "yes" }), PolicyError, sentence);
  assertEquals(hostOf({ outside_budget: true }).outsideBudget, true);
  assertEquals(hostOf({}).outsideBudget, false);
  const text = (said: string) =>
    `export default {
      ${said}
      choose_bits: () => 16,
      choose_axis: () => "token",
      residual_length: () => 0,
      calibration_mode: () => "none",
    }`;
  const open = (said: string) =>
    SandboxHost.open({ name: "mine", text: text(said), language: "js" });
  await assertRejects(() => open("outside_budget: 1,"), PolicyError, sentence);
  await using outside = await open("outside_budget: true,");
  await using inside = await open("");
  assertEquals([outside.outsideBudget, inside.outsideBudget], [true, false]);
});

Deno.test("a field in place of a method is refused, in and out of the sandbox", async () => {
  const sentence = 'Policy "mine" has a field group_size; expected a method that returns it';
  assertThrows(() => hostOf({ group_size: 32 }), PolicyError, sentence);
  const text = `export default class {
    group_size = 32;
    choose_bits() { return 2; }
    choose_axis() { return "token"; }
    residual_length() { return 0; }
    calibration_mode() { return "none"; }
  }`;
  await assertRejects(
    () => SandboxHost.open({ name: "mine", text, language: "js" }),
    PolicyError,
    sentence,
  );
});
