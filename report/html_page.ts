/**
 * The frame of every page.
 *
 * @module
 */
import { type Child, element, Markup } from "./markup.ts";

/**
 * A page as text.
 *
 * @param title in the browser; with the program's name behind it
 * @param style the sheet that is written into the page, or the elements that name it
 * @param body what is shown
 */
export function htmlPage(
  title: string,
  style: string | readonly Markup[],
  ...body: Child[]
): string {
  const head = typeof style === "string" ? element("style", {}, new Markup(style)) : style;
  const page = element(
    "html",
    { lang: "en" },
    element(
      "head",
      {},
      element("meta", { charset: "utf-8" }),
      element("meta", { name: "viewport", content: "width=device-width, initial-scale=1" }),
      element("meta", { name: "color-scheme", content: "light dark" }),
      element("title", {}, `${title} · kvreplay`),
      head,
    ),
    element("body", {}, ...body),
  );
  return `<!doctype html>\n${page.text}\n`;
}
