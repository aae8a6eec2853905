/**
 * `deno task fuzz`: reads inputs at random for as long as asked.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { fuzz } from "./fuzz.ts";
import { type ReaderName, readerNames } from "./readers.ts";
import { shownFailure } from "./shown_failure.ts";

const HELP = `deno task fuzz [--seed N] [--seconds N] [--reader NAME] [--out FOLDER]

Gives every reader of files any bytes and changes of valid files, and fails when one gives anything
but a value or one sentence. Prints its seed, with which a run is repeated, and the smallest input
that fails.

  --seed N        where to begin (default: the time)
  --seconds N     how long, all readers together (default: 60)
  --reader NAME   one reader alone: ${readerNames.join(", ")}
  --out FOLDER    write inputs that fail there`;

/** Inputs of a reader before it is another's turn. */
const RUNS = 100;

const args = parseArgs(Deno.args, {
  string: ["seed", "seconds", "reader", "out"],
  boolean: ["help"],
  unknown: (option) => {
    console.error(`Unknown option ${option}\n\n${HELP}`);
    Deno.exit(2);
  },
});
if (args.help) {
  console.log(HELP);
  Deno.exit(0);
}

function number(name: "seed" | "seconds", fallback: number): number {
  const text = args[name];
  if (text === undefined) return fallback;
  const value = Number(text);
  if (text.trim() !== "" && Number.isSafeInteger(value) && value >= 0) return value;
  console.error(`--${name} is ${JSON.stringify(text)}; expected a whole number of at least 0`);
  Deno.exit(2);
}

const first = number("seed", Date.now() % 2 ** 31);
const seconds = number("seconds", 60);
const names = args.reader === undefined
  ? readerNames
  : readerNames.filter((name) => name === args.reader);
if (names.length === 0) {
  console.error(
    `There is no reader ${JSON.stringify(args.reader)}; choose ${readerNames.join(", ")}`,
  );
  Deno.exit(2);
}

const end = performance.now() + 1000 * seconds;
const failing = new Set<ReaderName>();
let inputs = 0;
console.log(`seed ${first}, ${seconds} s, ${names.length} readers`);
for (let seed = first; performance.now() < end; seed++) {
  for (const name of names) {
    if (performance.now() >= end) break;
    if (failing.has(name)) continue;
    const found = await fuzz(name, { seed, runs: RUNS });
    inputs += RUNS;
    if (found === undefined) continue;
    failing.add(name);
    console.log(`\nFAILED with --seed ${seed} --reader ${JSON.stringify(name)}`);
    console.log(shownFailure(name, found));
    if (args.out !== undefined) {
      Deno.mkdirSync(args.out, { recursive: true });
      const file = `${args.out}/${name.replaceAll(/\W+/g, "-")}-${seed}`;
      Deno.writeFileSync(file, found.bytes);
      console.log(`The input is in ${file}`);
    }
  }
  if (failing.size === names.length) break;
}
console.log(`\n${inputs} inputs, ${failing.size} readers failed`);
Deno.exit(failing.size === 0 ? 0 : 1);
