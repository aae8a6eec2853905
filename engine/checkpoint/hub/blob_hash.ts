/**
 * What the hub calls the contents of a file by.
 *
 * @module
 */
import { createHash, type Hash } from "node:crypto";

/**
 * The name of some contents, in hexadecimal: SHA-256 for what lies in Git LFS or Xet, else git's own
 * name of a blob, the SHA-1 of `blob SIZE`, a zero byte and the contents (git-hash-object(1)).
 */
export interface BlobId {
  readonly algorithm: "sha256" | "git-sha1";
  readonly hex: string;
}

/** Begins the hash of contents that are `size` bytes long; take `digest("hex")` in the end. */
export function blobHash({ algorithm }: Pick<BlobId, "algorithm">, size: number): Hash {
  return algorithm === "sha256"
    ? createHash("sha256")
    : createHash("sha1").update(`blob ${size}\0`);
}

/** Whether `hex` can be the name of a blob, and so a file in the cache. */
export function isBlobHex({ algorithm, hex }: BlobId): boolean {
  return (algorithm === "sha256" ? /^[0-9a-f]{64}$/ : /^[0-9a-f]{40}$/).test(hex);
}

/** Bytes that are read at a time. */
const CHUNK = 2 ** 20;

/**
 * Hashes an open file from its start, at most `most` bytes of it; it then stands behind them.
 *
 * @returns how many bytes were there
 */
export async function hashFile(file: Deno.FsFile, hash: Hash, most: number): Promise<number> {
  const buffer = new Uint8Array(CHUNK);
  await file.seek(0, Deno.SeekMode.Start);
  let at = 0;
  while (at < most) {
    const read = await file.read(buffer.subarray(0, Math.min(CHUNK, most - at)));
    if (read === null) break;
    hash.update(buffer.subarray(0, read));
    at += read;
  }
  return at;
}
