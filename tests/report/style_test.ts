import { assert } from "@std/assert";
import { STYLE } from "../../report/style.ts";

/** Relative luminance (WCAG 2.2, "relative luminance"). */
function luminance(color: string): number {
  const channels = [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16) / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * channels[0]! + 0.7152 * channels[1]! + 0.0722 * channels[2]!;
}

function contrast(a: string, b: string): number {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high! + 0.05) / (low! + 0.05);
}

function palette(block: string): Map<string, string> {
  return new Map([...block.matchAll(/--([\w-]+):(#[0-9a-f]{6})/g)].map((m) => [m[1]!, m[2]!]));
}

const schemes = {
  light: palette(/:root\{[^}]*\}/.exec(STYLE)![0]),
  dark: palette(/prefers-color-scheme:dark\)\{:root\{[^}]*\}/.exec(STYLE)![0]),
};

for (const [scheme, colors] of Object.entries(schemes)) {
  const color = (name: string) => colors.get(name)!;

  Deno.test(`texts can be read on a ${scheme} page`, () => {
    for (const name of ["ink", "muted", "front", "better", "worse"]) {
      for (const ground of ["paper", "raised"]) {
        const ratio = contrast(color(name), color(ground));
        assert(ratio >= 4.5, `${name} on ${ground}: ${ratio}`);
      }
    }
  });

  Deno.test(`marks and lines stand out on a ${scheme} page`, () => {
    const names = ["front", "beaten", "series-0", "series-1", "series-2", "series-3"];
    for (const name of names) {
      assert(contrast(color(name), color("paper")) >= 3, name);
    }
  });

  Deno.test(`numbers can be read on every step of a ${scheme} heat map, and steps differ`, () => {
    for (let level = 0; level <= 8; level++) {
      const ratio = contrast(color(`on-${level}`), color(`level-${level}`));
      assert(ratio >= 4.5, `level ${level}: ${ratio}`);
      if (level === 0) continue;
      const step = luminance(color(`level-${level}`)) - luminance(color(`level-${level - 1}`));
      assert(scheme === "light" ? step < 0 : step > 0, `level ${level}`);
    }
  });
}
