/** A command as a process in a group of its own, to send signals to. */
import { NO_CACHE } from "../no_cache.ts";

const ROOT = new URL("../../", import.meta.url);

/** How a run ended. */
export interface Interrupt {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Files and folders in a folder that none of this project's temporary names has. */
export const names = (folder: string) =>
  [...Deno.readDirSync(folder)].map((entry) => entry.name)
    .filter((name) => !name.startsWith(".")).sort();

/** Waits until a path is there and, if a count is given, holds so many files. */
export async function untilExists(path: string, count?: number): Promise<void> {
  for (let i = 0; i < 3000; i++) {
    try {
      if (count === undefined ? Deno.statSync(path) : names(path).length >= count) return;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error(`${path} did not come`);
}

class Run {
  readonly #child: Deno.ChildProcess;
  readonly #stderr: Promise<string>;
  readonly #stdoutDone: Promise<void>;
  #stdout = "";
  #ended = false;

  constructor(args: readonly string[], env: Readonly<Record<string, string>>) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: [...args],
      cwd: ROOT,
      env: { NO_COLOR: "1", ...NO_CACHE, ...env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      detached: true,
    }).spawn();
    this.#stderr = new Response(this.#child.stderr).text();
    this.#stdoutDone = this.#read();
    this.#child.status.then(() => this.#ended = true);
  }

  async #read(): Promise<void> {
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      this.#stdout += text;
    }
  }

  isRunning(): boolean {
    return !this.#ended;
  }

  async untilPrinted(text: string): Promise<void> {
    while (!this.#stdout.includes(text) && !this.#ended) {
      await new Promise((done) => setTimeout(done, 5));
    }
  }

  async end(): Promise<Interrupt> {
    const { code } = await this.#child.status;
    await this.#stdoutDone;
    return { code, stdout: this.#stdout, stderr: await this.#stderr };
  }

  /** Sends a signal; to the whole group, as a terminal does, if that is asked for. */
  async interrupt(signal: "SIGINT" | "SIGTERM" | "SIGKILL", group = false): Promise<Interrupt> {
    if (group) {
      const args = [`-${signal.slice(3)}`, "--", `-${this.#child.pid}`];
      await new Deno.Command("kill", { args }).output();
    } else {
      this.#child.kill(signal);
    }
    return await this.end();
  }
}

type Start = (
  args: readonly string[],
  env?: Readonly<Record<string, string>>,
  before?: readonly string[],
) => Run;

/** Does something with runs of the command line and a folder, which is removed afterwards. */
export async function withRun(
  body: (start: Start, folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "kvreplay-test-" });
  const usual = ["run", "--no-prompt", "--quiet", "-P=replay"];
  usual.push(`--allow-run=${Deno.execPath()}`, "cli.ts");
  try {
    await body((args, env = {}, before = usual) => new Run([...before, ...args], env), folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
