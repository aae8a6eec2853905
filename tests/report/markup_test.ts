import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { element } from "../../report/markup.ts";
import { findAll, readHtml, textOf } from "../leaderboard/report/html_tree.ts";

Deno.test("any text comes back as itself and never as markup", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), fc.string(), (text, attribute) => {
    const markup = element("p", { "data-name": attribute }, text);
    const root = readHtml(`<!doctype html>\n${markup.text}`);
    const elements = findAll(root, () => true);
    assertEquals(elements.map((e) => e.name), ["p"]);
    assertEquals(textOf(root), text);
    assertEquals(elements[0]!.attributes.get("data-name"), attribute);
  }));
});

Deno.test("children may be left out", () => {
  assertEquals(
    element("g", { x: undefined, y: 1.23456 }, undefined, false, [1, "a", [element("br", {})]])
      .text,
    '<g y="1.23">1a<br></g>',
  );
});
