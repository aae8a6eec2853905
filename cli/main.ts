/**
 * The command line as a function: arguments in, exit code out.
 *
 * @module
 */
import { print, tell } from "../report/terminal.ts";
import { type Command, commands, isCommandName } from "./commands.ts";
import { describeFailure } from "./failure.ts";
import { mainHelp } from "./help.ts";
import { UsageError } from "./usage_error.ts";
import { VERSION } from "./version.ts";

function help(): string {
  return mainHelp(
    Object.fromEntries(
      Object.entries<Command>(commands).map(([name, { summary }]) => [name, summary]),
    ),
  );
}

async function dispatch(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined) {
    throw new UsageError(`Expected a command: ${Object.keys(commands).join(", ")}`);
  }
  if (name === "--help" || name === "-h") {
    print(help());
    return 0;
  }
  if (name === "--version") {
    print(`kvreplay ${VERSION}`);
    return 0;
  }
  if (!isCommandName(name)) {
    throw new UsageError(
      `Unknown ${name.startsWith("-") ? "option" : "command"} ${JSON.stringify(name)}; ` +
        `expected ${Object.keys(commands).join(", ")}, --help or --version`,
    );
  }
  return await commands[name].run(rest);
}

/** Runs a command line; failures are told on stderr. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    return await dispatch(args);
  } catch (error) {
    const { text, exitCode } = describeFailure(error);
    tell(`kvreplay: ${text}`);
    return exitCode;
  }
}
