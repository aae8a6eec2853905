/**
 * A machine with nothing on it but the C library, a shell and the few programs of POSIX that go with
 * it, and a Vulkan driver: bubblewrap shows the files of these, one by one, and no others.
 */
import { join } from "node:path";
import { BUBBLEWRAP } from "../../../policies/python/bubblewrap.ts";

/** Programs that are there; deno and onnxruntime bring theirs, but not the libraries they load. */
const PROGRAMS = ["sh", "mkdir", "mktemp", "chmod", "tail", "head", "rm"];

/** Where Debian's software driver is described. */
const DRIVERS = "/usr/share/vulkan/icd.d";

/** What a command wrote, and how it ended. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. */
export async function ended(
  command: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Ended> {
  const output = await new Deno.Command(command, { args: [...args], env, stdin: "null" }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code: output.code, stdout: text(output.stdout), stderr: text(output.stderr) };
}

/** Every library that these programs and libraries are linked to, with themselves. */
async function withLibraries(files: readonly string[]): Promise<string[]> {
  const { stdout } = await ended("/usr/bin/ldd", files);
  const linked = [...stdout.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)].map(([, path]) => path!);
  return [...new Set([...files, ...linked])];
}

/** The software driver's description and its library; nothing where there is none. */
function softwareDriver(): string[] {
  try {
    const [name] = [...Deno.readDirSync(DRIVERS)].map(({ name }) => name)
      .filter((name) => name.startsWith("lvp_icd"));
    if (name === undefined) return [];
    const description = join(DRIVERS, name);
    const { ICD } = JSON.parse(Deno.readTextFileSync(description));
    return [description, ICD.library_path];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** A bare machine, its own home and temporary folder, and what else it is shown. */
export class BareMachine {
  private constructor(private readonly args: readonly string[]) {}

  /**
   * @param libraries whose own libraries are to be there, besides those of the programs and the driver
   * @param shown files and folders of this machine by where they are to be
   */
  static async make(
    libraries: readonly string[],
    shown: Readonly<Record<string, string>>,
    writable: Readonly<Record<string, string>>,
  ): Promise<BareMachine> {
    const [description, driver] = softwareDriver();
    const loader = (await ended("/sbin/ldconfig", ["-p"])).stdout
      .match(/libvulkan\.so\.1 .*=> (\/\S+)/)?.[1];
    const graphics = driver === undefined || loader === undefined ? [] : [driver, loader];
    const programs = PROGRAMS.map((name) => `/bin/${name}`);
    const own = new Set(libraries);
    const files = (await withLibraries([...programs, ...libraries, ...graphics]))
      .filter((file) => !own.has(file));
    const binds = (flag: string, paths: Readonly<Record<string, string>>) =>
      Object.entries(paths).flatMap(([to, from]) => [flag, from, to]);
    return new BareMachine([
      ...["--unshare-all", "--die-with-parent", "--clearenv"],
      ...["--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"],
      ...binds("--ro-bind", Object.fromEntries(files.map((file) => [file, file]))),
      ...(description === undefined ? [] : ["--ro-bind", description, description]),
      ...binds("--ro-bind", shown),
      ...binds("--bind", writable),
      ...["--setenv", "PATH", "/bin", "--setenv", "XDG_RUNTIME_DIR", "/tmp"],
      ...["--chdir", "/tmp"],
    ]);
  }

  /** Runs a program of the machine. */
  run(env: Readonly<Record<string, string>>, ...command: string[]): Promise<Ended> {
    const variables = Object.entries(env).flatMap(([name, value]) => ["--setenv", name, value]);
    return ended(BUBBLEWRAP, [...this.args, ...variables, "--", ...command]);
  }
}
