/** The runs of decimal digits in a text, of any script, as Python's `\d+` finds them. */
export function numbersIn(text: string): string[] {
  return text.match(/\p{Nd}+/gu) ?? [];
}

/** Share of `numbers` that equal `wanted`, as texts; 0 when there is none. */
export function shareOf(wanted: string, numbers: readonly string[]): number {
  if (numbers.length === 0) return 0;
  return numbers.filter((number) => number === wanted).length / numbers.length;
}
