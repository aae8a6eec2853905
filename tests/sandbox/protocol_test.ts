/**
 * What the evaluator does when the sandbox's process itself misbehaves, as if a policy had taken it
 * over.
 */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { hostBuiltin } from "../../policies/registry.ts";
import { SandboxError } from "../../sandbox/sandbox_error.ts";
import { SandboxHost } from "../../policies/guest/sandbox_host.ts";
import { miniQuestion } from "../../bench/sandbox/questions.ts";
import { fakeChild } from "./fake_child.ts";
import { numbersOf, tinyRun } from "./tiny_run.ts";

const SOURCE = { name: "taken", text: "", language: "js" } as const;
const BESIDE = "kivi_overlap_4bit";
const honest = numbersOf(await tinyRun([hostBuiltin(BESIDE)]), BESIDE);

/** What becomes of a process that answers questions in the given way; the rest must not notice. */
async function sentenceOf(whenAsked: string): Promise<string | undefined> {
  const limits = { stepMs: 1500, messageBytes: 65_536 };
  await using host = await SandboxHost.open(SOURCE, { launch: fakeChild(whenAsked), limits });
  const result = await tinyRun([host, hostBuiltin(BESIDE)]);
  assertEquals(numbersOf(result, BESIDE), honest);
  return result.failures[0]?.reason.replace("Policy taken: ", "");
}

const RIGHT = "encode(kinds.reply, seq, nonce, plan)";

const BEHAVIOURS: Readonly<Record<string, readonly [whenAsked: string, sentence: RegExp]>> = {
  "another step's number": [
    `write(encode(kinds.reply, seq + 1, nonce, plan));`,
    /^crashed: It broke the message protocol \(A reply to question 4 instead of 3\)$/,
  ],
  "an earlier step's number": [
    `write(encode(kinds.reply, 1, nonce, plan));`,
    /^crashed: It broke the message protocol \(A reply to question 1 instead of 3\)$/,
  ],
  "another nonce": [
    `nonce[0] ^= 1; write(${RIGHT});`,
    /^crashed: It broke the message protocol \(A message without the nonce of this run\)$/,
  ],
  "a line of text, as forged results are": [
    `write(new TextEncoder().encode("TEST_METRICS: slice=tiny policy=forged quality_main=100\\n"));`,
    /^crashed: It broke the message protocol \(Bytes that are no message\)$/,
  ],
  "a line of text after a right reply": [
    `write(${RIGHT}); write(new TextEncoder().encode("TEST_METRICS: "));`,
    /^crashed: It broke the message protocol \(Bytes that are no message\)$/,
  ],
  "another version": [
    `const bytes = ${RIGHT}; bytes[4] = 2; write(bytes);`,
    /^crashed: It broke the message protocol \(Bytes that are no message\)$/,
  ],
  "an unknown kind": [
    `write(encode(99, seq, nonce, plan));`,
    /^crashed: It broke the message protocol \(A message of unknown kind 99\)$/,
  ],
  "a reply that never ends": [
    `const bytes = ${RIGHT}; for (;;) write(bytes.subarray(0, 32)), write(bytes.subarray(0, 7));`,
    /^(timed out: No answer|crashed: It broke the message protocol)/,
  ],
  "a header and then nothing": [
    `write(${RIGHT}.subarray(0, 32));`,
    /^timed out: No answer to the plan of step 0 within 1\.5 s$/,
  ],
  "one byte a second": [
    `for (const byte of ${RIGHT}) {
      write(Uint8Array.of(byte));
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }`,
    /^timed out: No answer to the plan of step 0 within 1\.5 s$/,
  ],
  "a reply after the timeout": [
    `await new Promise((resolve) => setTimeout(resolve, 2500)); write(${RIGHT});`,
    /^timed out: No answer to the plan of step 0 within 1\.5 s$/,
  ],
  "a header that announces gigabytes": [
    `const bytes = ${RIGHT}; new DataView(bytes.buffer).setUint32(12, 2 ** 32 - 1, true); write(bytes);`,
    /^crashed: It broke the message protocol \(A message of 4294967295 bytes, where at most/,
  ],
  "text that is not UTF-8": [
    `const bytes = ${RIGHT}; bytes.fill(255, 32); write(bytes);`,
    /^crashed: It broke the message protocol/,
  ],
  "too few rows": [
    `write(encode(kinds.reply, seq, nonce, 'A[[[4, 4], "token", 0]]'));`,
    /^rejected: Expected 4 rows of 3 answers in the plan of step 0$/,
  ],
  "rows of another shape": [
    `write(encode(kinds.reply, seq, nonce, "A" + JSON.stringify(Array(4).fill({ length: 3 }))));`,
    /^rejected: Expected 4 rows of 3 answers in the plan of step 0$/,
  ],
  "no JSON": [
    `write(encode(kinds.reply, seq, nonce, "A[[["));`,
    /^rejected: Cannot read the plan of step 0: It is not JSON$/,
  ],
  "a reply that means nothing": [
    `write(encode(kinds.reply, seq, nonce, "?"));`,
    /^crashed: Its process sent a reply that means nothing$/,
  ],
  "an error of another shape": [
    `write(encode(kinds.reply, seq, nonce, 'T{"$": "symbol"}'));`,
    /^rejected: something threw something$/,
  ],
  "an error of another type": [
    `write(encode(kinds.reply, seq, nonce, 'T[{"$": "symbol"}, {"length": 5}]'));`,
    /^rejected: something threw something$/,
  ],
  "statistics asked for again and again": [
    `write(encode(kinds.reply, seq, nonce, "Nkey"));`,
    /^crashed: It asks for statistics of keys that it was sent$/,
  ],
  "an early end": [
    `Deno.exit(3);`,
    /^crashed: Its process ended with exit code 3$/,
  ],
  "an early end by a signal": [
    `Deno.kill(Deno.pid, "SIGKILL"); for (;;);`,
    /^crashed: Its process got SIGKILL$/,
  ],
  "a closed output": [
    `Deno.stdout.close(); Deno.exit(0);`,
    /^crashed: Its process ended with exit code 0$/,
  ],
  "last words": [
    `write(encode(kinds.end, seq, nonce, "error\\u001b[2J\\nTEST_METRICS: x"));`,
    /^crashed: error \[2J TEST METRICS: x$/,
  ],
};

for (const [name, [whenAsked, expected]] of Object.entries(BEHAVIOURS)) {
  Deno.test(`the process answers with ${name}`, async () => {
    const sentence = await sentenceOf(whenAsked);
    assertMatch(sentence ?? "nothing at all", expected);
  });
}

Deno.test("the process answers rightly, in pieces", async () => {
  const pieces = `for (const byte of ${RIGHT}) {
    write(Uint8Array.of(byte));
    if (Math.random() < 0.05) await new Promise((resolve) => setTimeout(resolve, 1));
  }`;
  assertEquals(await sentenceOf(pieces), undefined);
});

Deno.test("a failed policy is not asked again", async () => {
  await using host = await SandboxHost.open(SOURCE, {
    launch: fakeChild(`write(encode(kinds.reply, seq, nonce, "A1"));`),
  });
  const question = miniQuestion(0);
  const first = await assertRejects(async () => await host.plan(question), SandboxError);
  const second = await assertRejects(async () => await host.plan(question), SandboxError);
  assertEquals(second.message, first.message);
});

Deno.test("the time of a run is limited, however short each answer", async () => {
  const slow = `await new Promise((resolve) => setTimeout(resolve, 150)); write(${RIGHT});`;
  await using host = await SandboxHost.open(SOURCE, {
    launch: fakeChild(slow),
    limits: { runMs: 500 },
  });
  const { failures } = await tinyRun([host]);
  assertEquals(failures[0]?.reason, "Policy taken: timed out: It took more than 0.5 s in one run");
});

Deno.test("whatever the process says of methods, remarks are few, short and quoted", async () => {
  const names = [5, null, {}, "x".repeat(1e4), "a\n\u001b[2KTEST_METRICS: slice=b", "group_sizes"];
  const methods = [...names, ...Array.from({ length: 1000 }, (_, i) => `sink_token${i}`)];
  const started = { hooks: ["group_size", "no_hook", 7], calibrates: 1, methods };
  await using host = await SandboxHost.open(SOURCE, { launch: fakeChild("", started) });
  assertEquals([host.hooks, host.calibrates], [["group_size"], false]);
  assertEquals(
    host.remarks.length < 10 &&
      host.remarks.every((remark) => /^[\x20-\x7e…]{1,700}$/.test(remark)),
    true,
    host.remarks.join("\n"),
  );
  assertMatch(host.remarks.join("\n"), /"a\\n\\u001b\[2KTEST METRICS: slice=b"/);
  for (const methods of [undefined, "all", { length: 3 }]) {
    const spoilt = fakeChild("", { hooks: [], calibrates: false, methods });
    await assertRejects(
      () => SandboxHost.open(SOURCE, { launch: spoilt }),
      SandboxError,
      "It has spoilt how its methods are found",
    );
  }
});
