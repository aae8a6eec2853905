/**
 * Asking the Deno that runs this for what it knows of the project.
 *
 * @module
 */

/** What a command wrote, and whether it was content. */
export interface DenoOutput {
  readonly success: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs `deno` with these arguments.
 *
 * @param folder to run it in
 */
export async function runDeno(folder: URL, ...args: string[]): Promise<DenoOutput> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: folder,
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { success, stdout: text(stdout), stderr: text(stderr) };
}
