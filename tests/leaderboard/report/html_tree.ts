/**
 * A strict reader of the report's HTML: every element closed in its place, every attribute quoted,
 * no id twice, no stray `<`. Enough to find figures without a browser.
 */

/** An element of the page. */
export interface HtmlElement {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: (HtmlElement | string)[];
}

const VOID = new Set(["meta", "br", "hr", "col"]);
const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  "#39": "'",
};

function unescape(text: string): string {
  return text.replaceAll(/&(#?\w*);?/g, (whole, name: string) => {
    const char = ENTITIES[name];
    if (char === undefined || !whole.endsWith(";")) throw new Error(`stray "${whole}"`);
    return char;
  });
}

/** Reads a page, or says what is wrong with it. */
export function readHtml(text: string): HtmlElement {
  const body = text.replace(/^<!doctype html>\n/, "");
  if (body === text) throw new Error("the page does not start with <!doctype html>");
  const root: HtmlElement = { name: "#root", attributes: new Map(), children: [] };
  const open: HtmlElement[] = [root];
  const ids = new Set<string>();
  const token = /<(\/?)([a-zA-Z][\w-]*)((?:\s+[\w:-]+="[^"<>]*")*)>|([^<]+)/gy;
  while (token.lastIndex < body.length) {
    const at = token.lastIndex;
    const match = token.exec(body);
    if (match === null) throw new Error(`not markup: ${body.slice(at, at + 60)}`);
    const [, closing, name, attributeText, words] = match;
    const parent = open.at(-1)!;
    if (words !== undefined) {
      parent.children.push(parent.name === "style" ? words : unescape(words));
    } else if (closing === "/") {
      if (parent.name !== name) throw new Error(`</${name}> closes <${parent.name}>`);
      open.pop();
    } else {
      const attributes = new Map(
        [...attributeText!.matchAll(/([\w:-]+)="([^"]*)"/g)].map((m) => [m[1]!, unescape(m[2]!)]),
      );
      const id = attributes.get("id");
      if (id !== undefined) {
        if (ids.has(id)) throw new Error(`id "${id}" twice`);
        ids.add(id);
      }
      const child: HtmlElement = { name: name!, attributes, children: [] };
      parent.children.push(child);
      if (!VOID.has(name!)) open.push(child);
    }
  }
  if (open.length !== 1) throw new Error(`<${open.at(-1)!.name}> is not closed`);
  return root;
}

/** Every element below `from` for which `wanted` holds, in the order of the page. */
export function findAll(
  from: HtmlElement,
  wanted: (element: HtmlElement) => boolean,
): HtmlElement[] {
  return from.children.flatMap((child) =>
    typeof child === "string" ? [] : [...(wanted(child) ? [child] : []), ...findAll(child, wanted)]
  );
}

/** The element of an id. */
export function byId(from: HtmlElement, id: string): HtmlElement {
  const found = findAll(from, (e) => e.attributes.get("id") === id)[0];
  if (found === undefined) throw new Error(`no element has id "${id}"`);
  return found;
}

/** All text below an element. */
export function textOf(element: HtmlElement): string {
  return element.children.map((c) => typeof c === "string" ? c : textOf(c)).join("");
}
