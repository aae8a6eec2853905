import { assert, assertEquals } from "@std/assert";
import config from "../../../deno.json" with { type: "json" };
import errorLaw from "../../../tools/lint/error_law.ts";

/** Rules that a source breaks, in order. */
function broken(source: string, file = "replay/loop.ts"): string[] {
  return Deno.lint.runPlugin(errorLaw, file, source)
    .sort((a, b) => a.range[0] - b.range[0])
    .map(({ id }) => id.replace("error-law/", ""));
}

const OFFENCES: Record<string, readonly string[]> = {
  class: [
    "throw new Error(`A width of ${bits}`);",
    "throw new TypeError(`A width of ${bits}`);",
    "throw Error(`A width of ${bits}`);",
    "const wrong = (what: string) => new RangeError(`Expected ${what}`);",
    "await Promise.reject(new globalThis.Error(`A width of ${bits}`));",
    "throw new Deno.errors.NotFound(`No file ${name}`);",
    "class WidthError extends Error {}",
    "const WidthError = class extends TypeError {};",
    "class Gone extends UserError {}",
    'throw "no width";',
    "throw `no width of ${bits}`;",
    "throw { message: `A width of ${bits}` };",
  ],
  capital: [
    "throw new UserError(`a width of ${bits}`);",
    "const wrong = (what: string) => new InternalError(`expected ${what}`);",
    "throw new PolicyError('width ' + bits);",
    "throw new PolicyError(known ? `Width ${bits}` : `no width ${bits}`);",
    "throw new UserError(`(${bits}) is no width`);",
    'throw new SandboxError("crashed", `its process got ${signal}`);',
    "class WidthError extends UserError { constructor(n: number) { super(`width ${n}`); } }",
    'notice("no policy was run");',
    "events?.notice?.(`example ${id} refused`);",
    "inform(`results are in ${folder}`);",
  ],
  stop: [
    "throw new UserError(`A width of ${bits}.`);",
    'throw new UserError(`A width of ${bits} is too ` + "much.");',
    "throw new UserError(`A width of ${bits}` + (known ? ``: ` is unknown.`));",
    "status.notice('Nothing was written.');",
  ],
  value: [
    'throw new UserError("There is no such width");',
    "throw new UserError(`There is no ` + `such width`);",
    "throw new UserError(known ? `A width of ${bits}` : `No width`);",
  ],
  visible: [
    "throw new UserError();",
    "throw new UserError(sentence);",
    "throw new UserError(sentence ?? `No width of ${bits}`);",
    "throw new UserError((error as Error).message);",
  ],
};

const RIGHT: readonly string[] = [
  "throw new UserError(`A width of ${bits} is unknown; expected 2 or 4`);",
  "throw new UserError(`${place}: a width of ${bits} is unknown`);",
  "throw new UserError(place + ': a width of ' + bits);",
  "throw new UsageError(`--bits must be 2 or 4, got ${bits}`);",
  "throw new UsageError(`--${name} needs a value`);",
  "throw new PolicyError(`choose_bits returned ${bits}`);",
  "throw new InternalError(`The file holds ${bytes} bytes: ${(error as Error).message}`);",
  'throw new SandboxError("crashed", `Its process got ${signal}`);',
  "const wrong = (what: string) => new InternalError(`Expected ${what}`);",
  "throw wrong(`2 bits, not ${bits}`);",
  "throw new StatsNotLoaded(`The ${kind}s of layer ${layer} are not read yet`);",
  "controller.abort(new Interrupted(signal));",
  "class WidthError extends UserError { constructor(n: number) { super(`Width ${n}`); } }",
  "class Store extends Base { constructor() { super('a name.'); } }",
  "try { run(); } catch (error) { throw error; }",
  "if (failed !== undefined) throw this.failed;",
  "throw late ? overRun(limits) : error;",
  'notice("Stopping after the present example; again to stop at once");',
  "notice(error.message);",
];

for (const [rule, sources] of Object.entries(OFFENCES)) {
  Deno.test(`the error law finds what breaks its rule "${rule}"`, () => {
    for (const source of sources) {
      assert(broken(source).includes(rule), source);
      assertEquals(broken(source, "tests/a_test.ts"), [], source);
      assertEquals(broken(source, "std/csv/parse.ts"), [], source);
    }
  });
}

Deno.test("the error law has an offence for each of its rules, and no other", () => {
  assertEquals(Object.keys(errorLaw.rules).sort(), Object.keys(OFFENCES).sort());
});

Deno.test("the error law leaves right errors alone", () => {
  for (const source of RIGHT) assertEquals(broken(source), [], source);
});

Deno.test("only the root may derive from JavaScript's own errors", () => {
  const source = "export class UserError extends Error {}";
  assertEquals(broken(source, "errors.ts"), []);
  assertEquals(broken(source, "policies/check.ts"), ["class"]);
});

Deno.test("the linter runs the error law", () => {
  assert(config.lint.plugins.includes("./tools/lint/error_law.ts"));
});
