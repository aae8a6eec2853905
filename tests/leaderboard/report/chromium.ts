/**
 * Headless Chromium for tests. Without it the tests are reported as ignored, or fail when the
 * environment variable KVREPLAY_REQUIRE_CHROMIUM is 1.
 */

/** Colour schemes as Chromium's `preferredColorScheme` numbers them. */
const SCHEMES = { dark: 0, light: 1 } as const;

const CANDIDATES = ["chromium", "chromium-browser", "google-chrome", "chrome"];

function granted(descriptor: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(descriptor).state === "granted";
}

async function find(): Promise<string | undefined> {
  for (const command of CANDIDATES) {
    if (!granted({ name: "run", command })) continue;
    try {
      const { success } = await new Deno.Command(command, {
        args: ["--version"],
        stdout: "null",
        stderr: "null",
      }).output();
      if (success) return command;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  const message = "skipped: no Chromium that may be run; install chromium and give --allow-run";
  const variable = "KVREPLAY_REQUIRE_CHROMIUM";
  if (granted({ name: "env", variable }) && Deno.env.get(variable) === "1") {
    throw new Error(`${variable} is 1, but the browser tests would be ${message}.`);
  }
  console.warn(`Browser tests ${message}.`);
  return undefined;
}

/** Command of the browser, or undefined where there is none. */
export const chromium = await find();

/** Opens a file and gives the page as the browser holds it once its scripts have run. */
export async function openInChromium(
  path: string,
  scheme: keyof typeof SCHEMES,
  width: number,
): Promise<string> {
  const profile = await Deno.makeTempDir();
  try {
    const { stdout, success, stderr } = await new Deno.Command(chromium!, {
      args: [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        `--user-data-dir=${profile}`,
        `--window-size=${width},1000`,
        `--blink-settings=preferredColorScheme=${SCHEMES[scheme]}`,
        "--dump-dom",
        `file://${path}`,
      ],
      stdout: "piped",
      stderr: "piped",
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout);
  } finally {
    await Deno.remove(profile, { recursive: true });
  }
}
