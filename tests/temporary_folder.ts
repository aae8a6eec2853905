/** Runs a test in a folder of its own, which is removed afterwards. */
export async function inTemporaryFolder(
  body: (folder: string) => void | Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "kvreplay-test-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
