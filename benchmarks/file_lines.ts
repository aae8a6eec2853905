/**
 * The lines of a file, read as they are asked for.
 *
 * @module
 */

const LINE_FEED = 10;
const CHUNK = 2 ** 16;

/**
 * Lines of bytes, without their ends. Of a line that is longer than `most` the first `most + 1` bytes
 * are the last that is read: the file may be one without an end.
 *
 * @throws {Deno.errors} when it cannot be read
 */
export async function* fileLines(
  path: string,
  most: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  using file = await Deno.open(path, { read: true });
  const chunk = new Uint8Array(CHUNK);
  let pieces: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  const taken = () => {
    const line = new Uint8Array(Math.min(length, most + 1));
    let at = 0;
    for (const piece of pieces) {
      line.set(piece.subarray(0, line.length - at), at);
      at += Math.min(piece.length, line.length - at);
    }
    pieces = [];
    length = 0;
    return line;
  };
  const keep = (piece: Uint8Array<ArrayBuffer>) => {
    pieces.push(piece.slice());
    length += piece.length;
  };
  for (;;) {
    const read = await file.read(chunk);
    if (read === null) break;
    let from = 0;
    for (;;) {
      const end = chunk.subarray(0, read).indexOf(LINE_FEED, from);
      if (end < 0) break;
      keep(chunk.subarray(from, end));
      yield taken();
      from = end + 1;
    }
    keep(chunk.subarray(from, read));
    if (length <= most) continue;
    yield taken();
    return;
  }
  if (length > 0) yield taken();
}
