/**
 * The tables of docs/policies.md that follow from the table of hooks and from what the families
 * declare: `deno run -R -W tools/hook_tables.ts` writes them.
 *
 * @module
 */
import { InternalError } from "../errors.ts";
import { inWords } from "../quant/answer_type.ts";
import { takenHooks } from "../quant/declared.ts";
import type { Family, FamilyOption, Settings, Taken } from "../quant/family.ts";
import { hookNames, hooks, type OptionalHook } from "../quant/hooks.ts";
import { builtInFamilies } from "../quant/registry.ts";

/** The document with its tables as they should be. */
export function withTables(document: string): string {
  const families = builtInFamilies.names.map((name) => builtInFamilies.of(name));
  return [hookTable(families), optionTable(families)].reduce((text, table) => {
    const columns = table[0]!.map((title) => `\\| ${title} *`).join("");
    const old = new RegExp(`^${columns}\\|\n(\\|.*\n)+`, "m");
    if (!old.test(text)) throw new InternalError(`There is no table with the columns ${table[0]}`);
    return text.replace(old, () => markdown(table));
  }, document);
}

/** One row for every hook. */
function hookTable(families: readonly Family[]): string[][] {
  const rows = hookNames.map((hook) => {
    const taking = families.filter((family) => takenHooks(family).includes(hook));
    const row: { readonly returns: string; readonly absent?: string } = hooks[hook];
    const own = hook === "family_options";
    return [
      code(hook),
      row.returns,
      own ? "as below" : taking.map(({ name }) => code(name)).join(" "),
      row.absent ?? absentIn(hook, taking),
    ];
  });
  return [["method", "returns, with its unit", "families that use it", "when absent"], ...rows];
}

/** What holds in each family, families that agree together. */
function absentIn(hook: OptionalHook, families: readonly Family[]): string {
  const byText = Map.groupBy(families, ({ hooks }) => absentText(hooks![hook]!));
  if (byText.size === 1) return [...byText.keys()][0]!;
  return Array.from(
    byText,
    ([text, agreeing]) => `${agreeing.map(({ name }) => code(name)).join(" ")} ${text}`,
  ).join(", ");
}

function absentText(
  { absent, absentRule }: Pick<Taken<Settings>, "absent" | "absentRule">,
): string {
  if (absentRule !== undefined) return absentRule;
  const text = JSON.stringify(absent).replaceAll(",", ", ");
  return typeof absent === "number" || typeof absent === "boolean" ? text : code(text);
}

/** One row for every option of every family. */
function optionTable(families: readonly Family[]): string[][] {
  const rows = families.flatMap(({ name, options = {} }) =>
    Object.entries<FamilyOption<Settings>>(options).map(([option, taken], i) => [
      i === 0 ? code(name) : "",
      code(option),
      taken.means,
      taken.value.is === "one of"
        ? taken.value.names.map((value) => code(JSON.stringify(value))).join(" or ")
        : inWords(taken.value),
      absentText(taken),
    ])
  );
  return [["family", "option", "what it is", "value", "when absent"], ...rows];
}

const code = (text: string) => `\`${text}\``;

/** A table as `deno fmt` leaves it. */
function markdown([titles, ...rows]: readonly string[][]): string {
  const widths = titles!.map((title, i) =>
    Math.max(title.length, ...rows.map((row) => row[i]!.length))
  );
  const line = (cells: readonly string[], fill = " ") =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i]!, fill)).join(" | ")} |\n`;
  return [line(titles!), line(titles!.map(() => ""), "-"), ...rows.map((row) => line(row))].join(
    "",
  );
}

if (import.meta.main) {
  const file = new URL("../docs/policies.md", import.meta.url);
  await Deno.writeTextFile(file, withTables(await Deno.readTextFile(file)));
}
