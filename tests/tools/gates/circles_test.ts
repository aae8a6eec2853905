import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { circles } from "../../../tools/gates/circles.ts";

/** Imports as `a>b`. */
const graph = (...arrows: string[]) =>
  arrows.map((arrow) => arrow.split(">")).map(([from, to]) => ({
    from: from!,
    to: to!,
    typesOnly: true,
  }));

Deno.test("a circle is told as the files it goes through", () => {
  assertEquals(circles(graph("a>b", "b>c", "c>d", "d>b", "d>e", "a>e")), [["b", "c", "d", "b"]]);
  assertEquals(circles(graph("a>a")), [["a", "a"]]);
  assertEquals(circles(graph("x>y", "a>b", "b>a")), [["a", "b", "a"]]);
});

Deno.test("files that meet again without a circle are let through", () => {
  assertEquals(circles(graph("a>b", "a>c", "b>d", "c>d", "d>e")), []);
  assertEquals(circles([]), []);
});

Deno.test("there is a circle exactly where files cannot be put in order", () => {
  const file = fc.nat(7);
  const arrows = fc.array(fc.tuple(file, file), { maxLength: 16 });
  fc.assert(fc.property(arrows, (pairs) => {
    const imports = graph(...pairs.map(([from, to]) => `${from}>${to}`));
    // Files whose every import is gone may go, until none can.
    let left = imports;
    for (let before = -1; before !== left.length;) {
      before = left.length;
      const importers = new Set(left.map(({ from }) => from));
      left = left.filter(({ to }) => importers.has(to));
    }
    const found = circles(imports);
    assertEquals(found.length > 0, left.length > 0);
    for (const files of found) {
      assertEquals(files.at(-1), files[0]);
      files.slice(1).forEach((to, i) =>
        assertEquals(imports.some((a) => a.from === files[i] && a.to === to), true)
      );
    }
  }));
});
