/**
 * What the one file runs before the program, in the deno that it brings: whether the folder that the
 * program is run from is as it was put there, and putting it there.
 *
 * @module
 */

/** One file of the program. */
export interface Entry {
  /** Path in the folder. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Where it begins in the one file, counted from the end of the index. */
  readonly at: number;
  /** How many bytes it takes there; fewer than it has when it is compressed (zstd, RFC 8878). */
  readonly stored: number;
}

/** What is known before the one file is read. */
export interface Layout {
  /** Where its index begins, and how many bytes it has. */
  readonly indexAt: number;
  readonly indexBytes: number;
  /** SHA-256 of the index, which has that of everything else. */
  readonly digest: string;
  /** Path of deno in the folder. */
  readonly program: string;
}

/**
 * Looks at the folder (`check FILE FOLDER`: the exit code is 1 when it is not as it should be), or
 * puts it there (`put FILE FOLDER FRESH`: deno is in the folder FRESH already, which becomes
 * FOLDER). Refers to nothing outside itself.
 */
export async function unpack({ indexAt, indexBytes, digest, program }: Layout): Promise<never> {
  const { createHash } = await import("node:crypto");
  const { zstdDecompressSync } = await import("node:zlib");
  const { dirname, join } = await import("node:path");
  const [task, file, folder, fresh] = Deno.args as [string, string, string, string];
  /** Every file has this time, 2000-01-01, so that one that was written to is known by another. */
  const TIME_MS = 946_684_800_000;
  /** What a killed start left is nobody's after a day. */
  const ABANDONED_MS = 86_400_000;
  const source = Deno.openSync(file);

  function fail(sentence: string): never {
    console.error(`kvreplay: ${sentence}`);
    Deno.exit(1);
  }

  function sha256(bytes: Uint8Array): string {
    return createHash("sha256").update(bytes).digest("hex");
  }

  function read(at: number, length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    source.seekSync(at, Deno.SeekMode.Start);
    for (let done = 0; done < length;) {
      const more = source.readSync(bytes.subarray(done));
      if (more === null) fail(`${file} is cut off after ${at + done} bytes: copy it again`);
      done += more;
    }
    return bytes;
  }

  function verified(bytes: Uint8Array<ArrayBuffer>, expected: string, what: string) {
    const found = sha256(bytes);
    if (found === expected) return bytes;
    fail(`${file} is damaged: ${what} has SHA-256 ${found}, expected ${expected}: copy it again`);
  }

  /** Nothing at all when it cannot be decompressed, which then has another hash. */
  function decompressed(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    try {
      return new Uint8Array(zstdDecompressSync(bytes));
    } catch {
      return new Uint8Array();
    }
  }

  const index: readonly Entry[] = JSON.parse(
    new TextDecoder().decode(verified(read(indexAt, indexBytes), digest, "its index")),
  );

  /** The first file in the folder that is not as it was put there. */
  function altered(): string | undefined {
    for (const { path, bytes } of index) {
      try {
        const { isFile, size, mtime } = Deno.lstatSync(join(folder, path));
        if (!isFile || size !== bytes || mtime?.getTime() !== TIME_MS) return path;
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return path;
        if (error instanceof Deno.errors.NotADirectory) return path;
        throw error;
      }
    }
  }

  function put({ path, bytes, sha256, at, stored }: Entry): void {
    const place = join(fresh, path);
    if (path === program) {
      verified(Deno.readFileSync(place), sha256, path);
    } else {
      const raw = read(indexAt + indexBytes + at, stored);
      const content = verified(stored === bytes ? raw : decompressed(raw), sha256, path);
      Deno.mkdirSync(dirname(place), { recursive: true });
      Deno.writeFileSync(place, content, { createNew: true });
    }
    Deno.chmodSync(place, path === program ? 0o555 : 0o444);
    Deno.utimeSync(place, TIME_MS / 1000, TIME_MS / 1000);
  }

  /** Gives the fresh folder its name, which another start may have done meanwhile. */
  function install(): void {
    for (;;) {
      try {
        return Deno.renameSync(fresh, folder);
      } catch (error) {
        const found = altered();
        if (found === undefined) return;
        if (!Deno.lstatSync(folder).isDirectory) throw error;
        console.error(
          `kvreplay: ${
            join(folder, found)
          } is not as it was put there: all of it is put there again`,
        );
        Deno.renameSync(folder, `${fresh}.old`);
      }
    }
  }

  function removeLeft(): void {
    const place = dirname(folder);
    for (const { name } of Deno.readDirSync(place)) {
      if (!name.startsWith(".unfinished-")) continue;
      const path = join(place, name);
      const made = Deno.lstatSync(path).mtime?.getTime() ?? 0;
      const mine = path === fresh || path === `${fresh}.old`;
      if (mine || Date.now() - made > ABANDONED_MS) Deno.removeSync(path, { recursive: true });
    }
  }

  if (task === "check") Deno.exit(altered() === undefined ? 0 : 1);
  try {
    for (const entry of index) put(entry);
    install();
  } catch (error) {
    fail(
      `${folder} cannot be written: ${
        (error as Error).message
      }: set KVREPLAY_PROGRAM to a folder that can`,
    );
  }
  try {
    removeLeft();
  } catch {
    // Another start is removing it, or somebody still runs what is in it.
  }
  Deno.exit(0);
}
