/** Model files that are only in memory. */
import type { ModelFile } from "../../../../engine/checkpoint/model_file.ts";

/** A file with these bytes; reading beyond its end throws. */
export function memoryFile(bytes: Uint8Array<ArrayBuffer>, path = "model.gguf"): ModelFile {
  return {
    path,
    size: bytes.length,
    read: (at, count) => {
      if (at + count > bytes.length) throw new RangeError(`${at + count} bytes were asked for`);
      return Promise.resolve(bytes.slice(at, at + count));
    },
  };
}
