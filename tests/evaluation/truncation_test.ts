/** Messages without their middle. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { withoutMiddle } from "../../evaluation/truncation.ts";

/** A tokenizer whose tokens are pairs of characters, so that joined ends may be cut otherwise. */
const pairs = {
  encode: (text: string) => (text.match(/.{1,2}/gs) ?? []).map((p) => [...p].reduce(code, 0)),
  decode: (ids: readonly number[]) =>
    ids.map((id) => id < 256 ? String.fromCharCode(id) : String.fromCharCode(id >> 8, id & 255))
      .join(""),
};
const code = (sum: number, char: string) => (sum << 8) + char.charCodeAt(0);

Deno.test("a prompt keeps both ends of its message and never has more tokens than there is room for", () => {
  const letters = fc.string({ unit: fc.constantFrom(..."abcdefg"), maxLength: 60 });
  fc.assert(fc.property(
    letters,
    fc.integer({ min: 2, max: 40 }),
    fc.integer({ min: 1, max: 40 }),
    (text, room, most) => {
      const turn = (message: string) => `<${message}>`;
      const ids = withoutMiddle(pairs, text, turn, most, room);
      const whole = pairs.encode(turn(text));
      const message = pairs.encode(text);
      if (message.length <= most && whole.length <= room) return assertEquals(ids, whole);
      const kept = pairs.decode(ids).slice(1, -1);
      assert(ids.length <= Math.max(room, 1));
      assert(kept.length <= 2 * most);
      const half = Math.ceil(kept.length / 2);
      assert(text.startsWith(kept.slice(0, half - 1)));
      assert(text.endsWith(kept.slice(half + 1)));
    },
  ));
});

Deno.test("as many tokens of each end as there is room for are kept", () => {
  const codes = {
    encode: (text: string) => Array.from(text, (char) => char.codePointAt(0)!),
    decode: (ids: readonly number[]) => String.fromCodePoint(...ids),
  };
  const cut = (most: number, room: number) =>
    codes.decode(withoutMiddle(codes, "abcdefgh", (text) => `<${text}>`, most, room));
  assertEquals(cut(Infinity, 10), "<abcdefgh>");
  assertEquals(cut(Infinity, 9), "<abcfgh>");
  assertEquals(cut(4, 100), "<abgh>");
  assertEquals(cut(5, 100), "<abgh>");
  assertEquals(cut(1, 100), "<>");
});
