/** Components to symbols and back, against what says so component by component. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import wabt from "wabt";
import {
  CERTAIN_ESCAPE,
  sharedAlphabets,
  TABLES,
} from "../../../../quant/families/transform/component_alphabets.ts";
import { DEAD_ZONE, symbolOf } from "../../../../quant/families/transform/component_codes.ts";
import {
  levelSteps,
  toSymbols,
  toValues,
} from "../../../../quant/families/transform/component_symbols.ts";
import {
  LEVEL_FACTORS,
  PLANNED_LEVEL,
} from "../../../../quant/families/transform/transform_layout.ts";
import { fromHalfBits, toHalfBits } from "../../../../quant/packing/half.ts";
import { kvData } from "../../kv_data.ts";

const FOLDER = new URL("../../../../quant/families/transform/", import.meta.url);

Deno.test("components become the symbols of their steps, and these what they stand for", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 16 }),
    fc.integer({ min: 1, max: 21 }),
    fc.integer({ min: 1, max: 8 }),
    fc.integer({ min: 0, max: LEVEL_FACTORS.length - 1 }),
    // Some components are exact, some escape further than a byte says.
    fc.array(fc.constantFrom(0.01, 0.3, 0.3, 1, -1, 7), { minLength: 21, maxLength: 21 }),
    fc.nat({ max: 1e6 }),
    (tokens, stored, width, level, planned, seed) => {
      const alphabets = sharedAlphabets(2 ** width);
      const size = alphabets.symbols;
      const steps = Float32Array.from(planned.slice(0, stored), (s, k) => s * (1 + k / 37));
      const values = kvData(tokens, stored, "normal", seed).map((x, i) => {
        if (i % 11 === 0) return 0;
        // Some are as near to where the symbol changes as float32 can be.
        if (i % 5 > 0) return x;
        const step = Math.abs(steps[i % stored]!) * LEVEL_FACTORS[level]!;
        return (Math.round(x / step) + 0.5 + DEAD_ZONE) * step;
      });
      const own = levelSteps(steps, level);
      const symbols = new Uint8Array(values.length);
      const raw = new Uint32Array(values.length);
      const escapes = toSymbols(values, own, size, symbols, raw);
      const row = Uint16Array.from(
        steps,
        (step, k) => step < 0 && level <= PLANNED_LEVEL ? CERTAIN_ESCAPE : (29 * k + seed) % TABLES,
      );
      const restored = new Float32Array(values.length).fill(NaN);
      toValues(alphabets, row, symbols, raw, own, restored);

      let found = 0;
      for (const [at, value] of values.entries()) {
        const k = at % stored;
        const step = Math.fround(Math.abs(steps[k]!) * LEVEL_FACTORS[level]!);
        const count = Math.floor(Math.abs(value) / step + (0.5 - DEAD_ZONE));
        const exact = row[k] === CERTAIN_ESCAPE;
        if (!exact && count < size / 2) {
          assertEquals(symbols[at], symbolOf(Math.sign(value) * count) | 0);
          const levels = alphabets.levels.subarray(row[k]! * size);
          assertEquals(restored[at], Math.fround(levels[symbols[at]!]! * step));
          continue;
        }
        assertEquals(symbols[at], size - 1);
        const more = exact ? 127 : Math.min(count - size / 2, 127);
        const sign = value < 0 ? 128 : 0;
        assertEquals(raw[found++], more | sign | (more === 127 ? toHalfBits(value) << 8 : 0));
        const half = fromHalfBits(toHalfBits(value));
        assertEquals(
          restored[at],
          more === 127 ? half : Math.fround(Math.sign(value) * count * step),
        );
      }
      assertEquals(escapes, found);
    },
  ));
});

Deno.test("component_symbols.wasm is what its source assembles to", async () => {
  const source = await Deno.readTextFile(new URL("component_symbols.wat", FOLDER));
  const module = (await wabt()).parseWat("component_symbols.wat", source, { simd: true });
  assertEquals(
    module.toBinary({}).buffer,
    await Deno.readFile(new URL("component_symbols.wasm", FOLDER)),
  );
});
