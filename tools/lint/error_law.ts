/**
 * The law of error messages, held over every error that the code makes: its class derives from
 * `UserError` or `InternalError`, and its message is one sentence that begins with a capital letter,
 * shows the value that was wrong and has no full stop. Part of `deno lint`.
 *
 * An exception stands where it is needed, with its reason, and is an offence once it is not:
 * `deno-lint-ignore error-law/value -- nothing was given`.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

const PROJECT = fileURLToPath(new URL("../../", import.meta.url));

/** A message, as far as the source shows it. */
interface Message {
  /** Text before the first value and after the last, or all of it. */
  readonly start: string;
  readonly end: string;
  /** Whether it shows a value. */
  readonly value: boolean;
}

/** JavaScript's own errors: they do not say whose fault it was. */
const BARE =
  /^(Error|(Aggregate|Eval|Range|Reference|Suppressed|Syntax|Type|URI)Error|DOMException)$/;

/** Where the message stands among what a class is made with, if not first; some make it themselves. */
const MESSAGE_AT = new Map<string, number | "none">([
  ["Interrupted", "none"],
  ["SandboxError", 1],
  ["StatsNotLoaded", 0],
]);

/** Where the two are that all others derive from. */
const ROOT = /^errors\.ts$/;

/** Tests throw what they like, and the stand-ins for @std what @std throws. */
const EXEMPT = /^(tests|std)\//;

/** A capital letter, or a name that is spelt as it is: an option, a hook, a field. */
const STARTS_WELL = /^(\p{Lu}|--|[a-z]+_[a-z_]+\b)/u;

/** Where a file is in the project. */
function pathOf({ filename }: Deno.lint.RuleContext): string {
  return filename.replace(PROJECT, "").replaceAll("\\", "/");
}

/** Last name of what is called or made: `c` of `a.b?.c`. */
function nameOf(node: Deno.lint.Node): string {
  if (node.type === "Identifier") return node.name;
  if (node.type === "MemberExpression") return nameOf(node.property);
  return "";
}

/** Whether the rules below know a class as an error. */
function isError(name: string): boolean {
  return name.endsWith("Error") || MESSAGE_AT.has(name);
}

/** Every text that an expression can be; undefined for one that the source does not show. */
function messages(node: Deno.lint.Node): readonly Message[] | undefined {
  if (node.type === "Literal") {
    const text = String(node.value);
    return [{ start: text, end: text, value: false }];
  }
  if (node.type === "TemplateLiteral") {
    const texts = node.quasis.map(({ cooked }) => cooked);
    return [{ start: texts[0]!, end: texts.at(-1)!, value: texts.length > 1 }];
  }
  if (node.type === "BinaryExpression") {
    const value = [{ start: "", end: "", value: true }];
    const after = messages(node.right) ?? value;
    return (messages(node.left) ?? value).flatMap((a) =>
      after.map((b) => ({
        start: a.value ? a.start : a.start + b.start,
        end: b.value ? b.end : a.end + b.end,
        value: a.value || b.value,
      }))
    );
  }
  if (node.type === "ConditionalExpression" || node.type === "LogicalExpression") {
    const a = messages(node.type === "LogicalExpression" ? node.left : node.consequent);
    const b = messages(node.type === "LogicalExpression" ? node.right : node.alternate);
    return a && b && [...a, ...b];
  }
  return undefined;
}

/** A rule over the messages of errors, and of notices, which have the same form but need no value. */
function messageRule(
  offence: string,
  broken: (all: readonly Message[] | undefined, of: "error" | "notice") => boolean,
): Deno.lint.Rule {
  return {
    create(context) {
      if (EXEMPT.test(pathOf(context))) return {};
      const check = (node: Deno.lint.Node | undefined, of: "error" | "notice") => {
        if (node !== undefined && broken(messages(node), of)) {
          context.report({ node, message: offence });
        }
      };
      return {
        NewExpression(node) {
          const name = nameOf(node.callee);
          const at = MESSAGE_AT.get(name) ?? (name.endsWith("Error") ? 0 : "none");
          if (at !== "none") check(node.arguments[at] ?? node, "error");
        },
        // The constructor of an error that makes its message itself.
        "ClassDeclaration[superClass.name=/Error$/] CallExpression[callee.type='Super']"(
          node: Deno.lint.CallExpression,
        ) {
          check(node.arguments[0], "error");
        },
        CallExpression(node) {
          const callee = node.callee.type === "ChainExpression"
            ? node.callee.expression
            : node.callee;
          if (/^(notice|inform)$/.test(nameOf(callee))) check(node.arguments[0], "notice");
        },
      };
    },
  };
}

/** A class that says whose fault it was, wherever one is made, derived from or thrown. */
const classRule: Deno.lint.Rule = {
  create(context) {
    const path = pathOf(context);
    if (EXEMPT.test(path)) return {};
    const refuse = (node: Deno.lint.Node) =>
      context.report({ node, message: "An error derives from UserError or InternalError" });
    const made = (node: Deno.lint.NewExpression | Deno.lint.CallExpression) => {
      if (BARE.test(nameOf(node.callee))) refuse(node);
    };
    const derived = (
      { id, superClass }: Deno.lint.ClassDeclaration | Deno.lint.ClassExpression,
    ) => {
      const from = superClass === null ? "" : nameOf(superClass);
      if (BARE.test(from) ? !ROOT.test(path) : from.endsWith("Error") && !isError(id?.name ?? "")) {
        refuse(superClass!);
      }
    };
    return {
      NewExpression: made,
      CallExpression: made,
      ClassDeclaration: derived,
      ClassExpression: derived,
      ThrowStatement({ argument: thrown }) {
        if (thrown.type === "NewExpression") {
          if (!isError(nameOf(thrown.callee))) refuse(thrown);
        } else if (messages(thrown)?.some(({ start, value }) => start !== "" || value)) {
          refuse(thrown);
        } else if (thrown.type === "ObjectExpression" || thrown.type === "ArrayExpression") {
          refuse(thrown);
        }
      },
    };
  },
};

export default {
  name: "error-law",
  rules: {
    class: classRule,
    visible: messageRule(
      "The text of a message stands where the error is made",
      (all, of) => all === undefined && of === "error",
    ),
    capital: messageRule(
      "A message begins with a capital letter, or with the value itself",
      (all) =>
        all?.some((m) => !(m.value && m.start === "") && !STARTS_WELL.test(m.start)) ?? false,
    ),
    stop: messageRule(
      "A message has no full stop at its end",
      (all) => all?.some(({ end }) => end.trimEnd().endsWith(".")) ?? false,
    ),
    value: messageRule(
      "A message shows the value that was wrong",
      (all, of) => of === "error" && (all?.some(({ value }) => !value) ?? false),
    ),
  },
} satisfies Deno.lint.Plugin;
