/**
 * The day that it is for every chat template: a prompt must not change from one day, one time zone or
 * one language to the next.
 *
 * @module
 */

/** Day that `strftime_now` tells a template, at midnight UTC; result files record it. */
export const CHAT_DATE = "2026-01-01";

const now = new Date(`${CHAT_DATE}T00:00:00Z`);

function named(options: Intl.DateTimeFormatOptions): string {
  return now.toLocaleDateString("en-US", { ...options, timeZone: "UTC" });
}

const two = (value: number) => String(value).padStart(2, "0");
const [year, month, day] = CHAT_DATE.split("-") as [string, string, string];
const dayOfYear = 1 + (now.getTime() - Date.UTC(now.getUTCFullYear(), 0)) / 86_400_000;

/** What stands for each directive of Python's `strftime` in the C locale. */
const directives: Readonly<Record<string, string>> = {
  ...{ Y: year, y: year.slice(2), m: month, d: day, e: day.replace(/^0/, " ") },
  ...{ b: named({ month: "short" }), B: named({ month: "long" }) },
  ...{ a: named({ weekday: "short" }), A: named({ weekday: "long" }) },
  ...{ w: String(now.getUTCDay()), u: String(now.getUTCDay() || 7) },
  j: String(dayOfYear).padStart(3, "0"),
  ...{ H: two(0), I: "12", M: two(0), S: two(0), f: "000000", p: "AM" },
  ...{ F: CHAT_DATE, D: `${month}/${day}/${year.slice(2)}`, T: "00:00:00", R: "00:00" },
  ...{ x: `${month}/${day}/${year.slice(2)}`, X: "00:00:00", z: "+0000", Z: "UTC" },
  ...{ n: "\n", t: "\t", "%": "%" },
};

/**
 * The day of every template as Python's `strftime` would write it; what is no directive is left as it
 * is.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { strftimeNow } from "./chat_date.ts";
 *
 * assertEquals(strftimeNow("%d %b %Y, %A, %-d/%-m"), "01 Jan 2026, Thursday, 1/1");
 * ```
 */
export function strftimeNow(format: string): string {
  return format.replace(/%(-?)([A-Za-z%])/g, (whole, plain, directive) => {
    const text = directives[directive];
    if (text === undefined) return whole;
    return plain === "" ? text : text.replace(/^[0 ]+(?=\d)/, "");
  });
}
