/** What a reference holds beside keys and values, on every engine. */
import { assert, assertEquals } from "@std/assert";
import { runKnownTokens } from "../../engine/prefill.ts";
import { Rotary } from "../../engine/rotary.ts";
import {
  addPreRopeKeys,
  addQueries,
  fedIds,
  freeReference,
  runReference,
} from "../../replay/reference.ts";
import { testOnEngines } from "../engine/devices/engines.ts";

testOnEngines(
  "cached keys turned back are those that the model computed before RoPE",
  "models/mini",
  async (engine, model) => {
    const text = "The lamp is kept in box 12 and the coin in box 7. ".repeat(6);
    const prompt = model.tokenizer.encode(text);
    const reference = await runReference(engine, prompt, 3, []);
    const rope = new Rotary(engine, prompt.length + 3);
    try {
      const turned = addPreRopeKeys(engine, reference, rope.get());
      assertEquals(addPreRopeKeys(engine, reference, rope.get()), turned);
      const ids = [...prompt.slice(0, -1), ...fedIds(reference)];
      const { layers, extras } = await runKnownTokens(engine, ids);
      const queries = await addQueries(engine, reference);
      for (const [layer, tensor] of turned.entries()) {
        const [keys, own] = [await engine.backend.read(tensor), extras.preRopeKeys[layer]!];
        const computed = await engine.backend.read(own);
        const largest = computed.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
        const apart = computed.reduce((most, x, i) => Math.max(most, Math.abs(x - keys[i]!)), 0);
        assert(
          apart <= 1e-5 * largest,
          `layer ${layer}: ${apart} apart, the largest is ${largest}`,
        );
        assertEquals(
          await engine.backend.read(queries[layer]!),
          await engine.backend.read(extras.queries[layer]!),
        );
      }
      for (const tensor of [...extras.preRopeKeys, ...extras.queries]) engine.backend.free(tensor);
      for (const { key, value } of layers) {
        engine.backend.free(key);
        engine.backend.free(value);
      }
    } finally {
      rope.free();
      freeReference(engine, reference);
    }
  },
);
