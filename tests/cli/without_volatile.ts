/** What is the same whenever the same is run again. */
import { isVolatile } from "../../report/first_difference.ts";

/** A document without the fields that every manifest lists as volatile. */
export function withoutVolatile(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutVolatile);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !isVolatile(name))
      .map(([name, own]) => [name, withoutVolatile(own)]),
  );
}
