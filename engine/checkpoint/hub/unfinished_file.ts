/**
 * Contents that are on their way: a file that grows, and the hash of what it holds.
 *
 * @module
 */
import type { Hash } from "node:crypto";
import { blobHash, hashFile } from "./blob_hash.ts";
import type { RepoFile } from "./repo_cache.ts";
import { TransientError } from "./retry.ts";

/** A file that is not complete, or not known to be right. */
export class UnfinishedFile implements Disposable {
  #at = 0;
  #hash: Hash;
  /** Whether all of it came in one answer. */
  #ofOneAnswer = false;
  #tooLong = false;

  private constructor(
    private readonly path: string,
    private readonly out: Deno.FsFile,
    private readonly file: RepoFile,
  ) {
    this.#hash = blobHash(file.blob, file.size);
  }

  /** Opens what an earlier attempt left, or an empty file. */
  static async open(path: string, file: RepoFile): Promise<UnfinishedFile> {
    const out = await Deno.open(path, { read: true, write: true, create: true });
    try {
      const unfinished = new UnfinishedFile(path, out, file);
      unfinished.#at = await hashFile(out, unfinished.#hash, file.size);
      return unfinished;
    } catch (error) {
      out.close();
      throw error;
    }
  }

  /** Bytes that are there. */
  get at(): number {
    return this.#at;
  }

  /** Bytes that are missing, as a header asks for them; undefined for all. */
  get range(): string | undefined {
    return this.#at === 0 ? undefined : `bytes=${this.#at}-`;
  }

  /**
   * Gets ready for the body of an answer: at the end of what is there, or at its start where the server
   * sends the whole file whatever was asked for.
   *
   * @throws {TransientError} for a part that was not asked for
   */
  async accept({ status, headers }: Response): Promise<void> {
    const range = headers.get("content-range");
    const [, from, size] = /^bytes (\d+)-\d+\/(\d+)$/.exec(range ?? "") ?? [];
    const isRest = status === 206 && Number(from) === this.#at && Number(size) === this.file.size;
    if (status === 206 && !isRest) {
      throw new TransientError(
        `For the rest of ${this.file.path} from byte ${this.#at} the server sent ${
          range ?? "a part without its place"
        }`,
      );
    }
    this.#ofOneAnswer = !isRest || this.#at === 0;
    if (isRest) return;
    this.#at = 0;
    this.#hash = blobHash(this.file.blob, this.file.size);
    await this.out.seek(0, Deno.SeekMode.Start);
  }

  /**
   * Appends bytes.
   *
   * @returns false when they are more than the file has; they are not kept
   */
  async add(bytes: Uint8Array): Promise<boolean> {
    this.#tooLong = this.#at + bytes.length > this.file.size;
    if (this.#tooLong) return false;
    for (let done = 0; done < bytes.length;) done += await this.out.write(bytes.subarray(done));
    this.#hash.update(bytes);
    this.#at += bytes.length;
    return true;
  }

  /**
   * Ends the file: under its path it is complete and on the disk, or gone.
   *
   * @returns what is wrong with it, as the end of a sentence; undefined when nothing is
   */
  async finish(): Promise<string | undefined> {
    const { blob: { algorithm, hex }, size } = this.file;
    const is = this.#hash.digest("hex");
    if (is === hex && !this.#tooLong) {
      // An earlier attempt may have left more than there should be.
      await this.out.truncate(size);
      await this.out.sync();
      return undefined;
    }
    await Deno.remove(this.path);
    return this.#tooLong
      ? `it is longer than ${size} bytes`
      : `its ${algorithm} is ${is} instead of ${hex}`;
  }

  /** Whether what is wrong with it is one answer's fault, and not that of parts that do not fit. */
  get ofOneAnswer(): boolean {
    return this.#ofOneAnswer;
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.out.close();
  }
}
