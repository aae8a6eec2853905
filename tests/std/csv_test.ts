import { assertEquals, assertThrows } from "@std/assert";
import { parse } from "@std/csv/parse";
import { stringify } from "@std/csv/stringify";
import fc from "fast-check";

Deno.test("stringify quotes, leaves empty cells and ends lines in CRLF", () => {
  const rows = [{ a: 'say "x"', b: "1,2", c: null }, { a: "line\nbreak", b: 0.5, c: undefined }];
  assertEquals(
    stringify(rows, { columns: ["a", "b", "c"] }),
    'a,b,c\r\n"say ""x""","1,2",\r\n"line\nbreak",0.5,\r\n',
  );
});

Deno.test("stringify reaches into items and names columns", () => {
  const columns = [{ prop: ["repo", "name"], header: "repository" }, ["list", 1]] as const;
  assertEquals(
    stringify([{ repo: { name: "x" }, list: [1, 2] }], { columns }),
    "repository,1\r\nx,2\r\n",
  );
});

Deno.test("stringify writes arrays without a header and refuses objects without columns", () => {
  assertEquals(stringify([[1, 2], [3, { a: 1 }]]), '1,2\r\n3,"{""a"":1}"\r\n');
  assertThrows(() => stringify([{ a: 1 }]), TypeError, "property accessor");
});

Deno.test("stringify writes a header alone and another separator", () => {
  assertEquals(stringify([], { columns: ["a", "b"], separator: "\t" }), "a\tb\r\n");
  assertEquals(stringify([{ a: 1 }], { columns: ["a"], headers: false }), "1\r\n");
});

Deno.test("parse reads rows, or objects by header or by columns", () => {
  const text = "a,b\r\nc,d\r\n";
  assertEquals(parse(text), [["a", "b"], ["c", "d"]]);
  assertEquals(parse(text, { skipFirstRow: true }), [{ a: "c", b: "d" }]);
  assertEquals(parse(text, { skipFirstRow: true, columns: ["x", "y"] }), [{ x: "c", y: "d" }]);
});

Deno.test("parse refuses an open quote and a row of another length", () => {
  assertThrows(() => parse('"a'), SyntaxError);
  assertThrows(() => parse("a,b\nc", { skipFirstRow: true }), SyntaxError, "1 fields");
});

Deno.test("parse gives back what stringify wrote", () => {
  const cell = fc.string({ unit: fc.constantFrom("a", '"', ",", "\n", "\r", " ", "ß") });
  fc.assert(fc.property(fc.array(fc.record({ a: cell, b: cell })), (rows) => {
    const text = stringify(rows, { columns: ["a", "b"] });
    const kept = rows.filter((row) => row.a !== "" || row.b !== "");
    assertEquals(
      parse(text, { skipFirstRow: true }).filter((row) => row.a !== "" || row.b !== ""),
      kept.map((row) => ({ ...row })),
    );
  }));
});
