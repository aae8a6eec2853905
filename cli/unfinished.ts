/**
 * What is finished of a run that has a folder for its results: it is kept there until they are written,
 * so that the same command goes on from there when it was stopped.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { programHash } from "../leaderboard/source_hash.ts";
import { inputFile, inputsOf } from "./provenance.ts";
import type { ReplayOptions } from "./replay_options.ts";
import { VERSION } from "./version.ts";

/** Folder in that of the results. */
export const UNFINISHED = "unfinished";

/** Options that change no example's result; each seed has a journal of its own. */
const BESIDE = ["out", "quiet", "cache", "cacheLimit", "seeds"] as const satisfies readonly (
  keyof ReplayOptions
)[];

/** The journals of one run. */
export class Unfinished {
  private constructor(private readonly folder: string, private readonly name: string) {}

  /**
   * @param out folder of the results
   * @param about what decides them beside the options
   */
  static async of(out: string, options: ReplayOptions, about: unknown): Promise<Unfinished> {
    const hash = createHash("sha256");
    const decides = Object.entries(options).filter(([name]) => !BESIDE.some((b) => b === name));
    hash.update(JSON.stringify([await programHash(VERSION), Object.fromEntries(decides), about]));
    for (const input of await inputsOf(options, true)) {
      // What is not there is told by who reads it.
      const { sha256 } = await inputFile(input).catch(() => ({ sha256: "" }));
      hash.update(`${sha256}\n`);
    }
    return new Unfinished(join(out, UNFINISHED), hash.digest("hex").slice(0, 16));
  }

  /** Journal of one slice of the run. */
  journal(index: number): string {
    return join(this.folder, `${this.name}-${index}.jsonl`);
  }

  /** Whether something of a run with other options is there. */
  hasOthers(): boolean {
    return this.#names().some((name) => !this.#isOurs(name));
  }

  /** Removes the journals of this run: its results are written. */
  remove(): void {
    const names = this.#names();
    for (const name of names.filter((name) => this.#isOurs(name))) {
      Deno.removeSync(join(this.folder, name));
    }
    if (names.length > 0 && this.#names().length === 0) Deno.removeSync(this.folder);
  }

  #isOurs(name: string): boolean {
    return name.startsWith(`${this.name}-`);
  }

  #names(): string[] {
    try {
      return [...Deno.readDirSync(this.folder)].map(({ name }) => name);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }
}
