/** Scales of `fp8`: learned, refused, and where they are stored. */
import { keepSamples } from "../../../../quant/sample_keeper.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { fp8 } from "../../../../quant/families/fp8/fp8.ts";
import { QuantizerError } from "../../../../quant/quantizer_error.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";
import { testOnBackends } from "../../backends.ts";
import { answers } from "../../stores/affine/affine_answers.ts";
import { oneRow } from "../../stores/row/one_row.ts";
import { rotaryOf } from "../../cache_scenes.ts";

const SHAPE = { heads: 2, headDim: 2 };

function resolve(mode: "none" | "offline", options: Readonly<Record<string, unknown>>) {
  return settingsFor(
    fp8,
    answers("value", { bits: [8, 8], calibrationMode: mode, options }),
    SHAPE,
  );
}

Deno.test("scales take the largest magnitude of a tensor or a head to 448", () => {
  const tensor = (...data: number[]) => ({ ...SHAPE, capacity: 2, data: Float32Array.from(data) });
  const zeros = tensor(0, 0, 0, 0, 0, 0, 0, 0);
  const values = [tensor(1, -224, 0, 0, 2, 2, 2, 2), tensor(0, 0, 0, 3, 0, 0, -448, 1)];
  const layer = { keys: [zeros], preRopeKeys: [zeros], values, queries: [zeros] };
  const samples = { layers: [layer], rotary: rotaryOf(2) };
  const learned = (
    scale: string,
  ) => [...fp8.calibrate!(keepSamples(samples), resolve("offline", { scale })).scales!];
  assertEquals(learned("head"), [0.5, 1]);
  assertEquals(learned("tensor"), [1, 1]);
  const { scale, calibrated } = resolve("offline", {});
  assertEquals([scale, calibrated], ["tensor", true]);
});

Deno.test("a scale that cannot be had is refused", () => {
  const sentence = 'with option "scale" "head" it must be "offline"';
  assertThrows(() => resolve("none", { scale: "head" }), QuantizerError, sentence);
  assertThrows(
    () => resolve("none", { format: "e5m2", scale: "token_head" }),
    QuantizerError,
    'option "scale" is "token_head", but e5m2 has no scale; choose "one"',
  );
});

testOnBackends("entries beyond the largest value saturate", async (backend) => {
  const { restored } = await oneRow(backend, fp8, { bits: [8] }, [1000, -1e6, 1.1, 2 ** -10]);
  assertEquals(restored, [448, -448, 1.125, 0]);
});
