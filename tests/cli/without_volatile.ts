/** What is the same whenever the same is run again. */
import { VOLATILE } from "../../report/volatile.ts";

/** A document without the fields that every manifest lists as volatile. */
export function withoutVolatile(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutVolatile);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !VOLATILE.includes(name.replace(/(_stderr)?,none$/, "")))
      .map(([name, own]) => [name, withoutVolatile(own)]),
  );
}
