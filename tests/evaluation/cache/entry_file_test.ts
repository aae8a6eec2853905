/** One entry as a file: what is written is read, and nothing else is. */
import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import {
  entryBytes,
  EntryError,
  type EntryHeader,
  entryKinds,
  payloadStart,
  readEntry,
  readHeader,
  verifyEntry,
  writeEntry,
} from "../../../evaluation/cache/entry_file.ts";
import { inTemporaryFolder } from "../../temporary_folder.ts";

async function write(
  path: string,
  header: EntryHeader,
  blocks: readonly Uint8Array[],
): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true, truncate: true });
  await writeEntry(file, header, ReadableStream.from(blocks));
}

const entry = fc.record({
  header: fc.record({
    kind: fc.constantFrom(...entryKinds),
    key: fc.string(),
    model: fc.string({ unit: "grapheme" }),
    device: fc.constantFrom("cpu", "wasm", "webgpu", "webgpu-onnx"),
    // JSON does not tell -0 from 0.
    facts: fc.dictionary(
      fc.string({ minLength: 1 }).filter((name) => name !== "__proto__"),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => x + 0),
    ),
  }),
  blocks: fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }),
});

function joined(blocks: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(blocks.flatMap((block) => [...block]));
}

Deno.test("what is written is read, by every reader, in the bytes that were foretold", async () => {
  await inTemporaryFolder(async (folder) => {
    const path = `${folder}/entry`;
    await fc.assert(
      fc.asyncProperty(entry, async ({ header: facts, blocks }) => {
        const payload = joined(blocks);
        const header = { ...facts, payloadBytes: payload.length };
        await write(path, header, blocks);
        assertEquals((await Deno.stat(path)).size, entryBytes(header));
        const start = payloadStart(header);
        assertEquals(start % 64, 0);
        assertEquals((await Deno.readFile(path)).slice(start, start + payload.length), payload);
        const found = await readEntry(path, () => true);
        assertEquals(JSON.stringify(found.header), JSON.stringify(header));
        assertEquals(new Uint8Array(found.payload), payload);
        assertEquals(JSON.stringify(await verifyEntry(path)), JSON.stringify(header));
        assertEquals(JSON.stringify(await readHeader(path)), JSON.stringify(header));
      }),
      { numRuns: 50 },
    );
  });
});

Deno.test("a payload of several blocks is read whole", async () => {
  await inTemporaryFolder(async (folder) => {
    const payload = crypto.getRandomValues(new Uint8Array(1 << 16));
    const blocks = Array<Uint8Array>(50).fill(payload);
    const header = { ...sample, payloadBytes: 50 << 16 };
    await write(`${folder}/entry`, header, blocks);
    const found = await readEntry(`${folder}/entry`, () => true);
    assertEquals(found.payload.subarray(49 << 16), payload);
    assertEquals((await verifyEntry(`${folder}/entry`)).payloadBytes, header.payloadBytes);
  });
});

const sample: EntryHeader = {
  kind: "references",
  key: "k",
  model: "mini",
  device: "cpu",
  payloadBytes: 64,
  facts: { steps: 3 },
};
const samplePayload = crypto.getRandomValues(new Uint8Array(64));

Deno.test("one changed bit anywhere is found", async () => {
  await inTemporaryFolder(async (folder) => {
    const path = `${folder}/entry`;
    await write(path, sample, [samplePayload]);
    const good = await Deno.readFile(path);
    await fc.assert(
      fc.asyncProperty(fc.nat(8 * good.length - 1), async (bit) => {
        const bad = good.slice();
        bad[bit >> 3]! ^= 1 << (bit & 7);
        await Deno.writeFile(path, bad);
        await assertRejects(() => readEntry(path, () => true), EntryError);
        await assertRejects(() => verifyEntry(path), EntryError);
        // A quick look sees all but the SHA-256 itself.
        if (bit < 8 * (good.length - 32)) {
          await assertRejects(() => verifyEntry(path, true), EntryError);
        } else await verifyEntry(path, true);
      }),
      { numRuns: 300 },
    );
  });
});

Deno.test("a file that is cut or goes on is refused before its payload is read", async () => {
  await inTemporaryFolder(async (folder) => {
    const path = `${folder}/entry`;
    await write(path, sample, [samplePayload]);
    const good = await Deno.readFile(path);
    for (const size of [0, 5, 16, 20, 40, good.length - 64, good.length - 1]) {
      await Deno.writeFile(path, good.subarray(0, size));
      for (const read of [readHeader, verifyEntry]) {
        await assertRejects(() => read(path), EntryError);
      }
    }
    await Deno.writeFile(path, Uint8Array.of(...good, 0));
    await assertRejects(() => readHeader(path), EntryError, `${good.length + 1} bytes; expected`);
  });
});

Deno.test("absurd lengths are refused, not allocated", async () => {
  await inTemporaryFolder(async (folder) => {
    const path = `${folder}/entry`;
    await write(path, sample, [samplePayload]);
    const bytes = await Deno.readFile(path);
    new DataView(bytes.buffer).setUint32(16, 0xffffffff, true);
    await Deno.writeFile(path, bytes);
    await assertRejects(() => readHeader(path), EntryError, "header of 4294967295 bytes");
    for (const payloadBytes of [2 ** 52, -1, 0.5, Infinity]) {
      await write(path, { ...sample, payloadBytes }, [samplePayload]);
      await assertRejects(() => readEntry(path, () => true), EntryError);
    }
  });
});

Deno.test("a header that is no header is refused, though its hash is right", async () => {
  await inTemporaryFolder(async (folder) => {
    const path = `${folder}/entry`;
    for (
      const wrong of [
        null,
        7,
        {},
        { ...sample, kind: "others" },
        { ...sample, key: 1 },
        { ...sample, model: undefined },
        { ...sample, facts: null },
        { ...sample, facts: { steps: "3" } },
        { ...sample, facts: { steps: NaN } },
      ]
    ) {
      await write(path, wrong as EntryHeader, [samplePayload]);
      await assertRejects(() => readEntry(path, () => true), EntryError, "header that cannot");
    }
  });
});
