/**
 * The files of a GGUF model: one, or parts named `NAME-00001-of-0000N.gguf` (ggml-org/llama.cpp,
 * tools/gguf-split).
 *
 * @module
 */
import { basename, dirname, join } from "node:path";
import { UserError } from "../../../errors.ts";
import { type ModelFile, openModelFile, openNeededFile } from "../model_file.ts";
import { type GgufHeader, readHeader } from "./header.ts";

/** A file and its header. */
export interface GgufFile {
  readonly file: ModelFile;
  readonly header: GgufHeader;
}

/** `NAME-00002-of-00003.gguf`. */
const partName = /^(?<name>.*)-(?<part>\d{5})-of-(?<parts>\d{5})\.gguf$/;

/**
 * Opens a model's files; the first holds its metadata.
 *
 * @param path of the file, or of any of its parts
 * @param opened takes what must be closed, also when this throws
 * @throws {UserError} when a part is missing, is another one than its name says, or belongs to
 * another model
 */
export async function openGgufFiles(path: string, opened: DisposableStack): Promise<GgufFile[]> {
  const { name, part, parts } = partName.exec(basename(path))?.groups ?? {};
  if (name === undefined) {
    const only = await openPart(await openNeededFile(path), opened);
    checkPart(only, 1, 1);
    return [only];
  }
  const count = Number(parts);
  if (Number(part) < 1 || Number(part) > count) {
    throw new UserError(`${path} is by its name part ${Number(part)} of ${count}`);
  }
  const files: GgufFile[] = [];
  for (let i = 1; i <= count; i++) {
    const wanted = `${name}-${String(i).padStart(5, "0")}-of-${parts}.gguf`;
    const file = await openModelFile(join(dirname(path), wanted));
    if (file === undefined) {
      throw new UserError(`${dirname(path)} lacks "${wanted}", part ${i} of ${count} of the model`);
    }
    const next = await openPart(file, opened);
    checkPart(next, i, count);
    if (i > 1) checkSameModel(files[0]!, next);
    files.push(next);
  }
  checkTensors(files);
  return files;
}

async function openPart(file: ModelFile, opened: DisposableStack): Promise<GgufFile> {
  opened.use(file);
  return { file, header: await readHeader(file) };
}

function checkPart({ file, header: { metadata } }: GgufFile, part: number, parts: number): void {
  const is = metadata.count("split.no", 0) + 1;
  const of = metadata.count("split.count", 1);
  // A count of 0 stands for a model in one file, too.
  if (is === part && Math.max(of, 1) === parts) return;
  throw new UserError(
    `${file.path} is part ${is} of ${of} by its metadata, but part ${part} of ${parts} by its name`,
  );
}

function checkSameModel(first: GgufFile, next: GgufFile): void {
  const [one, other] = [first, next].map(({ header: { metadata } }) => metadata);
  const total = one!.count("split.tensors.count");
  const its = other!.count("split.tensors.count");
  const same = ["general.architecture", "general.name"].every((key) =>
    !other!.has(key) || !one!.has(key) || other!.text(key) === one!.text(key)
  );
  if (its === total && same) return;
  throw new UserError(
    `${next.file.path} is a part of another model than ${first.file.path}: ${
      its === total ? "they name different ones" : `that has ${its} tensors, this one ${total}`
    }`,
  );
}

function checkTensors(files: readonly GgufFile[]): void {
  const [{ file, header }] = files as [GgufFile, ...GgufFile[]];
  const found = files.reduce((sum, { header: { tensors } }) => sum + tensors.size, 0);
  const wanted = header.metadata.count("split.tensors.count", found);
  if (found !== wanted) {
    throw new UserError(
      `The parts of ${file.path} hold ${found} tensors together; its metadata says ${wanted}`,
    );
  }
}
