/**
 * The thread that waits for signals. See interrupt.ts.
 *
 * @module
 */
import { writeAll } from "../report/output_folder.ts";
import { print, shownLine, tell } from "../report/terminal.ts";
import type { Watch } from "./interrupt.ts";
import { type LastWords, type NumberedWords, Turn } from "./last_words.ts";

/** What the other thread prints or writes is done by then, or will not be. */
const LONGEST_WAIT_MS = 400;
const CLEAR_LINE = "\r\x1b[K";

const SIGNALS: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM"];

let watch: { readonly turn: Turn; readonly bar: boolean } | undefined;
let newest: NumberedWords | undefined;

// deno-lint-ignore no-explicit-any -- there are no types of workers here
(globalThis as any).onmessage = ({ data }: MessageEvent<Watch | NumberedWords>) => {
  if ("words" in data) {
    newest = data;
    return;
  }
  watch = { turn: new Turn(data.memory), bar: data.bar };
  for (const signal of SIGNALS) listen(signal);
};

function listen(signal: Deno.Signal): void {
  const heard = async () => {
    // A second signal finds nobody who listens.
    Deno.removeSignalListener(signal, heard);
    try {
      if (await ourTurn()) speak(signal, newest!.words);
    } finally {
      Deno.kill(Deno.pid, signal);
    }
  };
  Deno.addSignalListener(signal, heard);
}

/** Takes the turn, with the newest words; false when that cannot be in time. */
async function ourTurn(): Promise<boolean> {
  const { turn } = watch!;
  const start = performance.now();
  while (performance.now() - start < LONGEST_WAIT_MS) {
    if (turn.take()) {
      if (newest?.number === turn.number) return true;
      turn.give();
    }
    await new Promise((done) => setTimeout(done, 2));
  }
  return false;
}

function speak(signal: Deno.Signal, { stdout, remarks = [], files, outcome }: LastWords): void {
  if (watch!.bar) Deno.stderr.writeSync(new TextEncoder().encode(CLEAR_LINE));
  for (const remark of remarks) tell(shownLine(remark));
  if (stdout !== undefined && stdout !== "") print(stdout);
  let became = outcome;
  try {
    if (files !== undefined) writeAll(files.folder, files.contents);
  } catch (error) {
    became = (error as Error).message;
  }
  tell(shownLine(`kvreplay: Interrupted by ${signal}; ${became}`));
}
