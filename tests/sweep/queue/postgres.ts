/**
 * A PostgreSQL of the tests' own, from Debian's packages. Without one the tests are reported as
 * ignored, or fail when the environment variable KVREPLAY_REQUIRE_POSTGRES is 1.
 */

const BINARIES = "/usr/lib/postgresql";

function find(): string | undefined {
  try {
    const [newest] = [...Deno.readDirSync(BINARIES)].map(({ name }) => name)
      .sort((a, b) => Number(b) - Number(a));
    if (newest !== undefined) {
      Deno.statSync(`${BINARIES}/${newest}/bin/initdb`);
      return `${BINARIES}/${newest}/bin`;
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const variable = "KVREPLAY_REQUIRE_POSTGRES";
  if (Deno.env.get(variable) === "1") {
    throw new Error(`${variable} is 1, but there is no PostgreSQL in ${BINARIES}.`);
  }
  console.warn(`PostgreSQL tests skipped: there is none in ${BINARIES}; install postgresql.`);
  return undefined;
}

/** Folder of its programs, or undefined where there are none. */
export const postgres = find();

/** A running server. */
export class PostgresServer implements AsyncDisposable {
  private constructor(
    private readonly folder: string,
    private readonly port: number,
    /** Database of the tests. */
    readonly url: string,
  ) {}

  static async start(): Promise<PostgresServer> {
    const folder = await Deno.makeTempDir({ prefix: "kvreplay-test-postgres-" });
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    listener.close();
    // PostgreSQL does not run as root.
    if (await isRoot()) await run("chown", ["postgres", folder]);
    const server = new PostgresServer(
      folder,
      port,
      `postgres://tester@127.0.0.1:${port}/postgres`,
    );
    await asPostgres("initdb", [
      ...["-D", `${folder}/data`, "-U", "tester", "-A", "trust", "--no-sync"],
    ]);
    await server.#control("start");
    return server;
  }

  /** Stops it as a crash would, and starts it again. */
  async restart(): Promise<void> {
    await this.#control("restart");
  }

  /** Stops it, does something, and starts it again. */
  async without(work: () => Promise<void>): Promise<void> {
    await this.#control("stop");
    await work();
    await this.#control("start");
  }

  async #control(action: string): Promise<void> {
    await asPostgres("pg_ctl", [
      ...["-D", `${this.folder}/data`, "-l", `${this.folder}/log`, "-w", "-m", "immediate"],
      ...["-o", `-h 127.0.0.1 -p ${this.port} -k ${this.folder}`, action],
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#control("stop");
    await Deno.remove(this.folder, { recursive: true });
  }
}

async function isRoot(): Promise<boolean> {
  const { stdout } = await new Deno.Command("id", { args: ["-u"] }).output();
  return new TextDecoder().decode(stdout).trim() === "0";
}

async function asPostgres(program: string, args: readonly string[]): Promise<void> {
  const command = `${postgres}/${program}`;
  if (!await isRoot()) return await run(command, args);
  await run("runuser", ["-u", "postgres", "--", command, ...args]);
}

async function run(command: string, args: readonly string[]): Promise<void> {
  // The server keeps what it is given open.
  const { success, code } = await new Deno.Command(command, {
    args: [...args],
    cwd: "/",
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).output();
  if (!success) throw new Error(`${command} ${args.join(" ")} ended with ${code}`);
}
