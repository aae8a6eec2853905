/** Rows of files of every form. */
import { assertEquals, assertRejects } from "@std/assert";
import { gzipSync, zipSync } from "fflate";
import { parquetWriteBuffer } from "hyparquet-writer";
import { BenchmarkError } from "../../../benchmarks/benchmark_error.ts";
import { readRows } from "../../../benchmarks/rows/read_rows.ts";
import { inTemporaryFolder } from "../../temporary_folder.ts";

const ROWS = [
  { question: "1 + 1?", answer: 2, choices: ["1", "2"] },
  { question: "南京?", answer: 0, choices: ["é", ""] },
];
const LINES = ROWS.map((row) => `${JSON.stringify(row)}\n`).join("\n");
const bytes = (text: string) => new TextEncoder().encode(text);

function parquet(codec: "SNAPPY" | "UNCOMPRESSED"): Uint8Array {
  return new Uint8Array(parquetWriteBuffer({
    codec,
    columnData: [
      { name: "question", data: ROWS.map(({ question }) => question), type: "STRING" },
      { name: "answer", data: ROWS.map(({ answer }) => BigInt(answer)), type: "INT64" },
      { name: "choices", data: ROWS.map(({ choices }) => choices), type: "JSON" },
    ],
  }));
}

/** Writes a file, and reads its rows. */
async function rowsOf(name: string, contents: Uint8Array, inside?: string): Promise<unknown> {
  let rows: unknown;
  await inTemporaryFolder(async (folder) => {
    const path = `${folder}/${name}`;
    await Deno.writeFile(path, contents);
    try {
      rows = await readRows(path, inside);
    } catch (error) {
      if (error instanceof BenchmarkError) error.message = error.message.replaceAll(path, name);
      throw error;
    }
  });
  return rows;
}

Deno.test("rows are the same from JSON lines, Parquet and an archive of either", async () => {
  assertEquals(await rowsOf("a.jsonl", bytes(LINES)), ROWS);
  assertEquals(await rowsOf("a.parquet", parquet("SNAPPY")), ROWS);
  assertEquals(await rowsOf("a.parquet", parquet("UNCOMPRESSED")), ROWS);
  const archive = zipSync({
    "top/data/a.jsonl": bytes(LINES),
    "data/b.parquet": parquet("SNAPPY"),
    "data/c.jsonl": bytes("no JSON"),
    "other/d.jsonl": bytes(LINES),
    "__MACOSX/other/._d.jsonl": bytes("no JSON"),
  });
  assertEquals(await rowsOf("data.zip", archive, "data/a.jsonl"), ROWS);
  assertEquals(await rowsOf("data.zip", archive, "data/b.parquet"), ROWS);
  // Packed from another folder than its authors' is.
  assertEquals(await rowsOf("data.zip", archive, "data/d.jsonl"), ROWS);
});

Deno.test("what cannot be read is told with its file and line", async () => {
  const wrong: [name: string, contents: Uint8Array, inside: string | undefined, message: string][] =
    [
      ["a.jsonl", bytes('{"a": 1}\n[2]'), undefined, "a.jsonl:2: expected a JSON object, got [2]"],
      ["a.jsonl", bytes('{"a": 1, "a": 2}'), undefined, 'a.jsonl:1: the key "a" occurs twice'],
      ["a.jsonl", bytes("\n\n"), undefined, "a.jsonl: no rows; expected one JSON object a line"],
      ["a.jsonl", new Uint8Array([255]), undefined, "a.jsonl:1: not UTF-8 text"],
      ["a.jsonl.gz", gzipSync(bytes(LINES)), undefined, "not UTF-8 text, but packed with gzip; un"],
      ["a.jsonl", new Uint8Array([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]), undefined, "packed with xz"],
      ["a.parquet", bytes("PAR0"), undefined, "a.parquet cannot be read as a Parquet file: "],
      ["a.zip", bytes("PK"), "a.jsonl", "a.zip cannot be read as a ZIP archive: "],
      ["a.zip", zipSync({ "b.jsonl": bytes(LINES) }), "a.jsonl", "a.zip has no file a.jsonl in it"],
      ["a.zip", zipSync({ "b.jsonl": bytes(LINES) }), undefined, "a.zip is an archive; give the"],
      [
        "a.zip",
        zipSync({ "x/a.jsonl": bytes(LINES), "y/a.jsonl": bytes(LINES) }),
        "data/a.jsonl",
        "a.zip has 2 files a.jsonl, x/a.jsonl and y/a.jsonl among them; expected one",
      ],
      ["a.zip", zipSync({ "a.jsonl": bytes("1") }), "a.jsonl", "a.zip:a.jsonl:1: expected a JSON"],
    ];
  for (const [name, contents, inside, message] of wrong) {
    await assertRejects(() => rowsOf(name, contents, inside), BenchmarkError, message);
  }
  await assertRejects(
    () => readRows("no_such.jsonl"),
    BenchmarkError,
    "Cannot read no_such.jsonl: there is no such file",
  );
});
