/**
 * Processes that see one of several GPUs. WebGPU has no index: Deno asks for the most powerful adapter,
 * and of equal ones gets the first that the Vulkan loader lists. What a driver lists are the device files
 * that it can open, so a process gets those of one GPU and no other, as containers do, here with
 * bubblewrap's own `/dev`.
 *
 * @module
 */
import { join } from "node:path";
import { BUBBLEWRAP } from "../policies/python/bubblewrap.ts";

/** Folder of device files. */
const DEVICES = "/dev";

/** A GPU of this machine. */
export interface GpuFile {
  /** Name of the file that stands for it alone: `nvidia0`, or `dri/renderD128` of any other driver. */
  readonly name: string;
}

/** A program with its arguments. */
export interface Command {
  readonly command: string;
  readonly args: readonly string[];
}

/**
 * The GPUs whose device files are there: NVIDIA's, or else those of the kernel's other drivers; none but
 * on Linux.
 *
 * @param devices folder of device files
 */
export function gpuFiles(devices: string = DEVICES): GpuFile[] {
  const nvidia = namesIn(devices).filter((name) => /^nvidia\d+$/.test(name));
  const others = namesIn(join(devices, "dri")).filter((name) => /^renderD\d+$/.test(name))
    .map((name) => `dri/${name}`);
  const number = (name: string) => Number(/\d+$/.exec(name));
  return (nvidia.length > 0 ? nvidia : others)
    .sort((a, b) => number(a) - number(b)).map((name) => ({ name }));
}

/** Whether a process can be shown one GPU: bubblewrap is there, and may be started. */
export function canShowOne(): boolean {
  try {
    return Deno.permissions.querySync({ name: "run", command: BUBBLEWRAP }).state === "granted" &&
      Deno.statSync(BUBBLEWRAP).isFile;
  } catch {
    return false;
  }
}

/**
 * A command that has the device files of one GPU, those that all GPUs of a driver share, and no other
 * GPU's; all else of the machine is as it is.
 *
 * @param devices folder of device files
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { seeingOne } from "./visible_gpus.ts";
 *
 * const { command, args } = seeingOne({ name: "nvidia1" }, { command: "deno", args: ["--version"] });
 * assertEquals([command, ...args.slice(-3)], ["/usr/bin/bwrap", "--", "deno", "--version"]);
 * ```
 */
export function seeingOne(
  { name }: GpuFile,
  { command, args }: Command,
  devices: string = DEVICES,
): Command {
  const shared = name.startsWith("dri/")
    ? []
    : namesIn(devices).filter((other) => /^nvidia(?!\d+$)/.test(other));
  const shown = ["shm", ...shared, name].map((file) => join(devices, file));
  return {
    command: BUBBLEWRAP,
    args: [
      ...["--die-with-parent", "--dev-bind", "/", "/", "--dev", devices],
      ...shown.flatMap((path) => ["--dev-bind-try", path, path]),
      ...["--", command, ...args],
    ],
  };
}

function namesIn(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  } catch {
    // Another system has none, or no driver made it.
    return [];
  }
}
