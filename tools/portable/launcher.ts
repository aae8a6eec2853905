/**
 * The first lines of the one file: a POSIX shell script that sees to the folder the program is run
 * from, and starts the program there with what its command's task may do.
 *
 * @module
 */
import { type CommandPermissions, commandPermissions } from "../../cli/permissions.ts";
import { VERSION } from "../../cli/version.ts";
import { OWN_PROGRAM_FLAGS } from "../../engine/command_text.ts";
import { callText } from "../../sandbox/child.ts";
import { ENTRY } from "./contents.ts";
import { type Layout, unpack } from "./unpack.ts";

/** What the script says of the file it is the beginning of. */
export interface Place extends Layout {
  /** Name of the machine that it is made for. */
  readonly target: string;
  /** Where deno begins in the file, and its size. */
  readonly programAt: number;
  readonly programBytes: number;
}

/** Flags of a deno that reads nothing but what it is told to. */
const ALONE = "--quiet --no-prompt --no-config --no-lock --no-remote --no-npm --cached-only";

/** A name that no shell takes apart. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "%27")}'`;
}

/** The program of `unpack`, as one argument. */
function unpackUrl({ indexAt, indexBytes, digest, program }: Place): string {
  const parts = { indexAt, indexBytes, digest: `"${digest}"`, program: `"${program}"` };
  const text = callText(
    unpack,
    Object.fromEntries(Object.entries(parts).map(([name, value]) => [name, String(value)])),
  );
  return quoted(`data:application/javascript,${encodeURIComponent(text)}`);
}

/** For every set of permissions, the commands whose tasks have it. */
function cases(): string {
  const commands = new Map<string, string[]>();
  for (
    const [name, { set, sandbox }] of Object.entries<CommandPermissions>(
      commandPermissions,
    )
  ) {
    const flags = [
      ...(set === undefined ? [] : [`-P=${set}`]),
      ...(sandbox ? ['"--allow-run=$program,/usr/bin/bwrap"'] : []),
    ].join(" ");
    if (flags !== "") commands.set(flags, [...(commands.get(flags) ?? []), name]);
  }
  return [...commands].map(([flags, names]) =>
    `  ${names.join(" | ")}) set -- ${flags} "$folder/${ENTRY}" "$@" ;;`
  ).join("\n");
}

/** The script. */
export function launcher(place: Place): string {
  const { target, digest, program, programAt, programBytes } = place;
  return `#!/bin/sh
# kvreplay ${VERSION} for ${target}. Behind these lines are an index, deno, and every other file. At the
# first start they are put into a folder named by the index's SHA-256, and verified; later starts
# look whether they are as they were put there. Nothing comes from the network.
set -u
unpack=${unpackUrl(place)}

say() {
  printf 'kvreplay: %s\\n' "$1" >&2
  exit 1
}

if [ -n "\${KVREPLAY_PROGRAM-}" ]; then
  place=$KVREPLAY_PROGRAM
else
  case "\${XDG_CACHE_HOME-}" in
  /*) place=$XDG_CACHE_HOME/kvreplay-program ;;
  *)
    [ -n "\${HOME-}" ] || say 'HOME is not set: set KVREPLAY_PROGRAM to a folder for the program'
    place=$HOME/.cache/kvreplay-program
    ;;
  esac
fi
case "$place" in
/*) ;;
*) place=$PWD/$place ;;
esac
case "$place" in
*,*) say "There is a comma in $place: set KVREPLAY_PROGRAM to a folder without" ;;
esac
folder=$place/${digest}
program=$folder/${program}

# What is in the folder is run by the program's own deno, which caches nothing here.
unpack() {
  DENO_DIR=/dev/null/none "$1/${program}" run ${ALONE} \\
    --allow-read "--allow-write=$place" "$unpack" "$2" "$0" "$folder" "$1"
}

if ! { [ -x "$program" ] && unpack "$folder" check 2>/dev/null; }; then
  mkdir -p "$place" 2>/dev/null && fresh=$(mktemp -d "$place/.unfinished-XXXXXXXX" 2>/dev/null) ||
    say "$place cannot be written: set KVREPLAY_PROGRAM to a folder that can"
  trap 'rm -rf "$fresh"' EXIT
  trap 'exit 130' HUP INT TERM
  chmod 755 "$fresh"
  tail -c +${programAt + 1} "$0" | head -c ${programBytes} >"$fresh/${program}" &&
    chmod 755 "$fresh/${program}" ||
    say "$place cannot be written: set KVREPLAY_PROGRAM to a folder that can"
  unpack "$fresh" put
  code=$?
  case $code in
  0) ;;
  1) exit 1 ;;
  126) say "Programs in $place may not be run: set KVREPLAY_PROGRAM to a folder where they may" ;;
  127) say 'Its deno does not start here: this file is for ${target} with glibc' ;;
  *) say "The deno in $0 ended with code $code: the file is damaged, or not for this machine" ;;
  esac
  trap - EXIT HUP INT TERM
fi

export DENO_DIR="$folder/cache" DENO_NO_UPDATE_CHECK=1
case "\${1-}" in
${cases()}
*) set -- "$folder/${ENTRY}" "$@" ;;
esac
exec "$program" run --quiet --no-prompt ${OWN_PROGRAM_FLAGS.join(" ")} \\
  --config "$folder/deno.json" "$@"
`;
}
