/**
 * Starts this program again, as a worker of a sweep.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import type { Device } from "../engine/devices/open.ts";
import { canShowOne, type GpuFile, gpuFiles, seeingOne } from "../sweep/visible_gpus.ts";
import { isOwnProgram, OWN_PROGRAM_FLAGS } from "../engine/command_text.ts";
import { UserError } from "../errors.ts";

/** The action that a worker is started with; it is no user's. */
export const WORKER_ACTION = "worker";

/** What a worker is started with. */
export interface WorkerLaunch {
  /** Whether it may start processes of the sandbox, for code of the user's. */
  readonly sandbox: boolean;
  /** The one that it sees; absent for all there are. */
  readonly gpu?: GpuFile;
}

/** Starts a worker, all three streams piped. It may do what a replay may, and nothing else. */
export function launchWorker({ sandbox, gpu }: WorkerLaunch): Deno.ChildProcess {
  const command = Deno.execPath();
  if (Deno.permissions.querySync({ name: "run", command }).state !== "granted") {
    throw new UserError(`Workers are processes: allow them with --allow-run=${command}`);
  }
  const file = (name: string) => fileURLToPath(import.meta.resolve(`../${name}`));
  const program = Deno.build.standalone ? [] : [
    ...["run", "--no-prompt", "--quiet", "-P=replay", "--config", file("deno.json")],
    ...(sandbox ? [`--allow-run=${command}`] : []),
    ...(isOwnProgram() ? OWN_PROGRAM_FLAGS : []),
    file("cli.ts"),
  ];
  const own = { command, args: [...program, "sweep", WORKER_ACTION] };
  const started = gpu === undefined ? own : seeingOne(gpu, own);
  return new Deno.Command(started.command, {
    args: [...started.args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/**
 * The GPUs that workers are dealt out to; none where there are not several, or they compute elsewhere.
 *
 * @param notice takes a sentence for the user: all workers have the same one
 */
export function gpusOfWorkers(
  workers: number,
  device: Device,
  notice: (sentence: string) => void,
): readonly GpuFile[] {
  if (workers === 1 || device === "cpu" || device === "wasm") return [];
  const gpus = gpuFiles();
  if (gpus.length < 2) return [];
  if (canShowOne()) return gpus;
  notice(
    `All workers have the same one of ${gpus.length} GPUs: bubblewrap, which shows each its own, is not there or not allowed`,
  );
  return [];
}
