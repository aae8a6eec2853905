/**
 * The files of a GGUF model: one, or several parts.
 *
 * @module
 */
import { UserError } from "../../../errors.ts";
import { type ModelFile, openModelFile, openNeededFile } from "../model_file.ts";
import { type GgufHeader, readHeader } from "./header.ts";
import { partNames } from "./part_names.ts";

/** A file and its header. */
export interface GgufFile {
  readonly file: ModelFile;
  readonly header: GgufHeader;
}

/**
 * Opens a model's files; the first holds its metadata.
 *
 * @param path of the file, or of any of its parts
 * @throws {UserError} when a part is missing, is another one than its name says, or belongs to
 * another model
 */
export async function openGgufFiles(path: string): Promise<GgufFile[]> {
  const names = partNames(path);
  if (!names.includes(path)) {
    throw new UserError(`${path} is by its name none of the ${names.length} parts of a model`);
  }
  const files: GgufFile[] = [];
  for (const [i, name] of names.entries()) {
    const file = name === path ? await openNeededFile(path) : await openModelFile(name);
    if (file === undefined) {
      throw new UserError(`${name} does not exist, part ${i + 1} of ${names.length} of a model`);
    }
    const part = { file, header: await readHeader(file) };
    checkPart(part, i + 1, names.length);
    if (i > 0) checkSameModel(files[0]!, part);
    files.push(part);
  }
  checkTensors(files);
  return files;
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
      `The parts that ${file.path} begins hold ${found} tensors; its metadata says ${wanted}`,
    );
  }
}
