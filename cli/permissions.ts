/**
 * What each command may do. Under `deno task` Deno itself holds a command to the set of its task; a
 * binary has one set for all commands, fixed when it is made, and gives up here what a command's task
 * would not have had.
 *
 * @module
 */
import config from "../deno.json" with { type: "json" };
import type { CommandName } from "./commands.ts";

/** A set of permissions in deno.json. */
export type PermissionSet = keyof typeof config.permissions;

/** The set of a command's task, and whether its task may also start processes. */
export interface CommandPermissions {
  readonly set?: PermissionSet;
  /** Processes of the sandbox, or workers: this program again, and bubblewrap. */
  readonly sandbox?: true;
}

/** What every command's task has; docs/permissions.md says why. */
export const commandPermissions = {
  longbench: { set: "replay", sandbox: true },
  needle: { set: "replay", sandbox: true },
  reasoning: { set: "replay", sandbox: true },
  all: { set: "replay", sandbox: true },
  run: { set: "replay", sandbox: true },
  niah: { set: "replay", sandbox: true },
  ppl: { set: "replay", sandbox: true },
  leaderboard: { set: "replay", sandbox: true },
  rerun: { set: "replay", sandbox: true },
  sweep: { set: "sweep", sandbox: true },
  serve: { set: "serve" },
  search: { set: "replay", sandbox: true },
  advise: { set: "replay" },
  fetch: { set: "fetch" },
  families: {},
  new: { set: "new" },
  check: { set: "check", sandbox: true },
  compare: { set: "compare" },
  cache: { set: "cache" },
} as const satisfies Record<CommandName, CommandPermissions>;

type Granted = Readonly<Record<string, boolean | readonly string[]>>;

/**
 * Gives up every permission of the binary that a command's task does not have.
 *
 * @param command the first argument, whatever it is
 */
export function keepPermissionsOf(command: string | undefined): void {
  const { set, sandbox }: CommandPermissions = Object.hasOwn(commandPermissions, command ?? "")
    ? commandPermissions[command as CommandName]
    : {};
  const kept: Granted = {
    ...(set === undefined ? {} : config.permissions[set]),
    ...(sandbox ? { run: true } : {}),
  };
  const binary: Granted = config.permissions.binary;
  for (const [name, granted] of Object.entries(binary)) {
    const keeps = kept[name] ?? false;
    if (keeps === true || keeps === granted) continue;
    if (keeps === false) {
      Deno.permissions.revokeSync({ name } as Deno.PermissionDescriptor);
      continue;
    }
    for (const one of granted as readonly string[]) {
      // Deno names no wildcard here: all hosts of a domain are given up with the domain itself.
      if (!keeps.includes(one) && !one.startsWith("*.")) {
        Deno.permissions.revokeSync(oneOf(name, one));
      }
    }
  }
}

/** One value of a permission that is granted for a list of them. */
function oneOf(name: string, value: string): Deno.PermissionDescriptor {
  if (name === "env") return { name, variable: value };
  return name === "sys"
    ? {
      name,
      kind: value as "statfs" | "systemMemoryInfo" | "hostname",
    } as Deno.SysPermissionDescriptor
    : { name: "net", host: value };
}
