import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { slidingWindow, wholeBlocks } from "../../quant/windows.ts";

const lengths = fc.record({
  prefill: fc.integer({ min: 0, max: 300 }),
  steps: fc.integer({ min: 0, max: 100 }),
  window: fc.integer({ min: 0, max: 64 }),
  sink: fc.integer({ min: 0, max: 8 }),
});

Deno.test("slidingWindow is what evicting one token at a time gives", () => {
  fc.assert(fc.property(lengths, ({ prefill, steps, window, sink }) => {
    // cat538/SKVQ, KVcache_manager.py: fill the sink, then the window, then evict the oldest.
    let [inSink, quantized, inWindow] = [0, 0, 0];
    for (let token = 0; token < prefill + steps; token++) {
      if (inSink < sink) inSink++;
      else if (inWindow < window) inWindow++;
      else quantized++;
      const range = slidingWindow(token + 1, window, sink);
      assertEquals(range, { from: inSink, to: inSink + quantized });
    }
  }));
});

Deno.test("wholeBlocks is what KIVI's key residual leaves after prefill and every step", () => {
  fc.assert(fc.property(lengths, ({ prefill, steps, window }) => {
    const block = Math.max(1, window);
    // jy-yuan/KIVI, models/llama_kivi.py: prefill quantizes all but n mod R keys; a decode step
    // quantizes the residual once it holds exactly R.
    let residual = prefill % block;
    let quantized = prefill - residual;
    for (let n = prefill; n <= prefill + steps; n++) {
      assertEquals(wholeBlocks(n, block, 0), { from: 0, to: quantized });
      if (++residual === block) [quantized, residual] = [quantized + block, 0];
    }
  }));
});

Deno.test("wholeBlocks starts after the sink tokens", () => {
  assertEquals(wholeBlocks(3, 32, 5), { from: 3, to: 3 });
  assertEquals(wholeBlocks(36, 32, 5), { from: 5, to: 5 });
  assertEquals(wholeBlocks(37, 32, 5), { from: 5, to: 37 });
});
