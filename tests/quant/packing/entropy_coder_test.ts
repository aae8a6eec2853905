/** The entropy coder: what goes in comes out, both ways of reading, at the length that theory promises. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import wabt from "wabt";
import {
  alphabetsOf,
  BYTE_BITS,
  COST_SHARE,
  decode,
  frequenciesOf,
  FREQUENCY_BITS,
  MORE_FOLLOWS,
  STATE_BITS,
  WORD_BITS,
} from "../../../quant/packing/entropy_coder.ts";
import { decodeStreams, encode } from "../../../quant/packing/entropy_streams.ts";

const FOLDER = new URL("../../../quant/packing/", import.meta.url);

/** Alphabets with counts of very different sizes, and rows of symbols that occur in them. */
const coded = fc.record({
  width: fc.integer({ min: 1, max: 8 }),
  alphabets: fc.integer({ min: 1, max: 9 }),
  positions: fc.integer({ min: 1, max: 12 }),
  rows: fc.integer({ min: 0, max: 40 }),
  first: fc.integer({ min: 0, max: 70 }),
  exact: fc.constantFrom(-1, 0, 1),
  seed: fc.nat(),
}).map(({ width, alphabets, positions, rows, first, exact, seed }) => {
  let state = seed + 1;
  const below = (bound: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % bound;
  };
  const size = 2 ** width;
  const frequencies = Array.from(
    { length: alphabets },
    () =>
      below(5) === 0
        ? new Array<number>(size - 1).fill(0).concat(1 << FREQUENCY_BITS)
        : frequenciesOf(Array.from({ length: size }, () => 0.01 + below(2 ** below(16) + 1))),
  ).flat();
  const row = Uint16Array.from({ length: positions }, () => below(alphabets));
  const symbols = Uint8Array.from({ length: rows * positions }, (_, i) => {
    const base = row[i % positions]! * size;
    let slot = below(1 << FREQUENCY_BITS);
    let symbol = 0;
    // Rare symbols too, as often as likely ones.
    if (below(4) === 0) symbol = below(size);
    else while (slot >= frequencies[base + symbol]!) slot -= frequencies[base + symbol++]!;
    return frequencies[base + symbol] === 0 ? size - 1 : symbol;
  });
  const raw = Uint32Array.from(
    [...symbols].flatMap((symbol, i) => {
      if (symbol < size - 1) return [];
      const byte = row[i % positions] === exact || below(3) === 0
        ? MORE_FOLLOWS
        : below(1 << BYTE_BITS);
      return (byte & MORE_FOLLOWS) === MORE_FOLLOWS ? byte | below(65536) << BYTE_BITS : byte;
    }),
  );
  return { size, exact, frequencies, row, symbols, raw, first };
});

Deno.test("decoding gives back what was encoded", () => {
  fc.assert(
    fc.property(coded, ({ size, exact, frequencies, row, symbols, raw, first }) => {
      const alphabets = alphabetsOf(size, frequencies, exact);
      const words = new Uint32Array(2 * symbols.length + 4);
      const bits = encode(alphabets, row, symbols, raw, words, first);
      for (let bit = 0; bit < first; bit++) assertEquals(words[bit >> 5]! >>> (bit & 31) & 1, 0);
      assert(words.subarray(Math.ceil(bits / 32)).every((word) => word === 0));
      const [back, rawBack] = [new Uint8Array(symbols.length), new Uint32Array(raw.length)];
      decode(alphabets, row, words, bits, back, rawBack);
      assertEquals([back, rawBack], [symbols, raw]);
    }),
    { numRuns: 300 },
  );
});

Deno.test("streams read side by side give what each gives alone", () => {
  fc.assert(
    fc.property(coded, fc.integer({ min: 0, max: 9 }), ({ size, exact, ...one }, count) => {
      const alphabets = alphabetsOf(size, one.frequencies, exact);
      const { row, first } = one;
      const streams = Array.from({ length: count }, (_, i) => {
        // Another one of the same symbols: rows in another order.
        const rows = one.symbols.length / row.length;
        const turned = (at: number) => (at + i * row.length) % one.symbols.length;
        const symbols = one.symbols.map((_, at) => one.symbols[turned(at)]!);
        const raw = Uint32Array.from(one.raw, (x) => x);
        const escapesOf = (from: number, to: number) =>
          one.symbols.subarray(from, to).filter((symbol) => symbol === size - 1).length;
        const before = rows === 0 ? 0 : escapesOf(0, i % rows * row.length);
        raw.forEach((_, at) => raw[at] = one.raw[(at + before) % raw.length]!);
        const words = new Uint32Array(2 * symbols.length + 4);
        const bits = encode(alphabets, row, symbols, raw, words, first);
        return { row, words, bits, symbols, raw };
      });
      const read = streams.map((stream) => ({
        ...stream,
        symbols: new Uint8Array(stream.symbols.length),
        raw: new Uint32Array(stream.raw.length),
      }));
      decodeStreams(alphabets, read);
      assertEquals(read, streams);
    }),
    { numRuns: 200 },
  );
});

Deno.test("a stream is as long as its symbols are unlikely", () => {
  fc.assert(
    fc.property(coded, ({ size, exact, frequencies, row, symbols, raw, first }) => {
      const alphabets = alphabetsOf(size, frequencies, exact);
      const words = new Uint32Array(2 * symbols.length + 4);
      const bits = encode(alphabets, row, symbols, raw, words, first) - first;
      let escapes = 0;
      const rawBits = (symbol: number, isExact: boolean) => {
        if (symbol < size - 1) return 0;
        const more = (raw[escapes++]! & MORE_FOLLOWS) === MORE_FOLLOWS ? WORD_BITS : 0;
        return isExact ? WORD_BITS : BYTE_BITS + more;
      };
      const promised = symbols.reduce((sum, symbol, i) => {
        const share = frequencies[row[i % row.length]! * size + symbol]! / 2 ** FREQUENCY_BITS;
        return sum - Math.log2(share) + rawBits(symbol, row[i % row.length] === exact);
      }, STATE_BITS);
      // The state's resolution costs a little, and its fraction of a bit may be lost or won.
      assert(Math.abs(bits - promised) <= 1.5 + 0.01 * promised, `${bits}, promised ${promised}`);
    }),
    { numRuns: 300 },
  );
});

Deno.test("no stream is shorter than its bound, which is not far below", () => {
  fc.assert(
    fc.property(coded, ({ size, exact, frequencies, row, symbols, raw }) => {
      const alphabets = alphabetsOf(size, frequencies, exact);
      const few = raw.map((following) => following & 0x7e);
      const words = new Uint32Array(2 * symbols.length + 4);
      const bits = encode(alphabets, row, symbols, few, words);
      const costs = symbols.reduce(
        (sum, symbol, i) => sum + alphabets.costs[row[i % row.length]! * size + symbol]!,
        0,
      );
      const least = STATE_BITS - 1 + Math.floor(costs / COST_SHARE);
      assert(least <= bits, `${least}, but the stream has ${bits}`);
      // Costs are whole sixteenths of a bit.
      assert(bits - least <= 3 + 0.24 * symbols.length, `${least}, far below ${bits}`);
    }),
    { numRuns: 300 },
  );
});

Deno.test("symbols of every frequency are decoded from states of every size", () => {
  const frequencies = Array.from({ length: 4095 }, (_, i) => [i + 1, 4095 - i]).flat();
  const alphabets = alphabetsOf(2, frequencies);
  const row = Uint16Array.from({ length: 4095 }, (_, i) => i);
  for (let seed = 1; seed <= 8; seed++) {
    let state = seed;
    const symbols = Uint8Array.from({ length: 16 * row.length }, () => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return state >>> 31;
    });
    const escapes = symbols.reduce((sum, symbol) => sum + symbol, 0);
    const raw = Uint32Array.from({ length: escapes }, (_, i) => i % MORE_FOLLOWS);
    const words = new Uint32Array(2 * symbols.length);
    const bits = encode(alphabets, row, symbols, raw, words);
    const [back, rawBack] = [new Uint8Array(symbols.length), new Uint32Array(escapes)];
    decode(alphabets, row, words, bits, back, rawBack);
    assertEquals([back, rawBack], [symbols, raw]);
  }
});

Deno.test("entropy_streams.wasm is what its source assembles to", async () => {
  const source = await Deno.readTextFile(new URL("entropy_streams.wat", FOLDER));
  const module = (await wabt()).parseWat("entropy_streams.wat", source, { simd: true });
  assertEquals(
    module.toBinary({}).buffer,
    await Deno.readFile(new URL("entropy_streams.wasm", FOLDER)),
  );
});

Deno.test("frequencies fill the scale, keep every symbol and the order of the counts", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 256 }),
      (counts) => {
        fc.pre(counts.some((count) => count > 0));
        const frequencies = frequenciesOf(counts);
        assertEquals(frequencies.reduce((a, b) => a + b, 0), 1 << FREQUENCY_BITS);
        assert(frequencies.every((f) => f >= 1));
        counts.forEach((count, i) => {
          const share = count / counts.reduce((a, b) => a + b, 0);
          const scale = (1 << FREQUENCY_BITS) - counts.length;
          assert(Math.abs(frequencies[i]! - 1 - share * scale) <= 1);
        });
      },
    ),
  );
});
