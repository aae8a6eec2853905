import { assertEquals, assertRejects } from "@std/assert";
import { CODEC_LIMITS } from "../../codecs/codec_pair.ts";
import { CodecProcess, realmRunner } from "../../codecs/codec_process.ts";
import { launchChild } from "../../sandbox/child.ts";
import { limitsWith } from "../../sandbox/limits.ts";
import { SandboxError } from "../../sandbox/sandbox_error.ts";

const MODEL = { layers: 1, query_heads: 1, kv_heads: 1, head_dim: 2 };
const SHAPE = { heads: 1, headDim: 2 };
const NO_LESSON = new Uint8Array(0);

const runAt = (first: number) => [{ layer: 0, kind: 0, first, tokens: 1, count: 2 } as const];
const dataOf = (first: number) => Float32Array.from({ length: 4 }, (_, i) => 10 * first + i);

function started(text: string, limits = {}) {
  const runner = realmRunner(launchChild, { name: "mine", text, language: "js" });
  return CodecProcess.open(runner, undefined, limitsWith({ ...CODEC_LIMITS, ...limits }));
}

Deno.test("what is sent while a codec works is answered in order", async () => {
  const { process } = await started(`let before = 0;
    export default {
      encode: (_l, _k, { data }) => new Uint8Array(Float32Array.of(...data, before++).buffer),
      decode: (_l, _k, bytes) => new Float32Array(bytes.buffer).slice(0, 2),
    };`);
  try {
    await process.reset(MODEL, NO_LESSON);
    const coded = await Promise.all(
      [0, 2, 4].map((first) => process.encode(runAt(first), SHAPE, dataOf(first))),
    );
    const floats = coded.map(({ bytes }) => [...new Float32Array(bytes.slice().buffer)]);
    assertEquals(floats, [[0, 1, 0, 2, 3, 1], [20, 21, 2, 22, 23, 3], [40, 41, 4, 42, 43, 5]]);
    const [a, b] = await Promise.all(
      [0, 2].map((first) => process.decode(runAt(first), SHAPE, coded[first / 2]!)),
    );
    assertEquals([a, b], [dataOf(0), dataOf(2)]);
  } finally {
    await process.close();
  }
});

Deno.test("the time of what was sent begins with the reply to what was asked before", async () => {
  const busy = `{ const end = Date.now() + 400; while (Date.now() < end); }`;
  const { process } = await started(
    `export default {
      encode(_l, _k, { first }) {
        ${busy}
        while (first === 9);
        return new Uint8Array(1);
      },
      decode: () => new Float32Array(2),
    };`,
    { stepMs: 1500 },
  );
  try {
    await process.reset(MODEL, NO_LESSON);
    const run = (first: number) => [{ ...runAt(first)[0]!, count: 1 }];
    const sent = [0, 1, 2, 3, 9, 4].map((first) =>
      process.encode(run(first), SHAPE, new Float32Array(2))
    );
    const outcomes = await Promise.allSettled(sent);
    assertEquals(outcomes.map(({ status }) => status === "fulfilled"), [
      ...[true, true, true, true, false, false],
    ]);
    await assertRejects(
      () => sent[4]!,
      SandboxError,
      "No answer to encode() of 1 blocks within 1.5",
    );
  } finally {
    await process.close();
  }
});
