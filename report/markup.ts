/**
 * HTML and SVG as escaped text. Strings are text and are escaped; only what this module built is
 * markup, so that no name from a policy or a slice can become an element.
 *
 * @module
 */

/** Text that is already markup. */
export class Markup {
  constructor(readonly text: string) {}

  toString(): string {
    return this.text;
  }
}

/** What an element may hold; `undefined` and `false` hold nothing. */
export type Child = Markup | string | number | undefined | false | readonly Child[];

/** Attributes; `undefined` leaves one out, numbers are written with at most two decimals. */
export type Attributes = Readonly<Record<string, string | number | undefined>>;

const VOID = new Set(["meta", "col", "br", "hr"]);

/** Text with the five characters of markup replaced. */
export function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;").replaceAll("'", "&#39;");
}

function short(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/**
 * One element with its attributes and children.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { element } from "./markup.ts";
 *
 * assertEquals(
 *   element("text", { x: 1.005, class: "name" }, "a < b").text,
 *   '<text x="1" class="name">a &lt; b</text>',
 * );
 * ```
 */
export function element(name: string, attributes: Attributes, ...children: Child[]): Markup {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) =>
      ` ${key}="${escapeText(typeof value === "number" ? short(value) : String(value))}"`
    ).join("");
  if (VOID.has(name)) return new Markup(`<${name}${written}>`);
  return new Markup(`<${name}${written}>${join(children).text}</${name}>`);
}

/** Children one after the other. */
export function join(children: Child): Markup {
  if (children === undefined || children === false) return new Markup("");
  if (children instanceof Markup) return children;
  if (typeof children === "string") return new Markup(escapeText(children));
  if (typeof children === "number") return new Markup(String(children));
  return new Markup(children.map((child) => join(child).text).join(""));
}
