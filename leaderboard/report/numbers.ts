/**
 * Numbers as the report prints them.
 *
 * @module
 */

/** A fixed number of decimals, a true minus sign, and no minus before a zero. */
export function fixed(value: number, decimals: number): string {
  const text = value.toFixed(decimals);
  return /^-0(\.0*)?$/.test(text) ? text.slice(1) : text.replace("-", "−");
}

/** The same with a plus before what is above zero. */
export function signed(value: number, decimals: number): string {
  const text = fixed(value, decimals);
  return value > 0 && Number(value.toFixed(decimals)) !== 0 ? `+${text}` : text;
}

/** Quality or score in points, 0..100. */
export function points(value: number): string {
  return fixed(value, 2);
}

/** Three significant digits without an exponent for ordinary sizes. */
export function threeDigits(value: number): string {
  if (value === 0) return "0";
  const magnitude = Math.floor(Math.log10(Math.abs(value)));
  return magnitude >= 3 ? String(Math.round(value)) : fixed(value, Math.max(0, 2 - magnitude));
}

/** A share as per cent. */
export function percent(share: number, decimals = 0): string {
  return `${fixed(100 * share, decimals)} %`;
}
