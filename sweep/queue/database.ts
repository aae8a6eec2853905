/**
 * The database behind a queue: PostgreSQL, or PGlite in a folder where there is none, with pg-boss on
 * it either way.
 *
 * @module
 */
import { dirname } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import { type ConstructorOptions, fromPglite, PgBoss } from "pg-boss";
import { UserError } from "../../errors.ts";

/** Schema of pg-boss's own tables. */
export const BOSS_SCHEMA = "kvreplay_queue";

/** Channel on which it is told that something has changed. */
const CHANNEL = "kvreplay_sweep";

/** How long a server may be away, and how often it is asked again. */
const LONGEST_AWAY_MS = 300_000;
const ASK_AGAIN_MS = 500;

/** Where a queue is. */
export type QueuePlace =
  | { readonly url: string }
  /** For this process alone. */
  | { readonly folder: string };

/** Rows of a query. */
export type Rows = readonly Readonly<Record<string, unknown>>[];

/** An open database. */
export class QueueDatabase implements AsyncDisposable {
  #told = false;

  private constructor(
    readonly boss: PgBoss,
    private readonly place: string,
    private readonly notice: (sentence: string) => void,
    private readonly closeOwn: () => Promise<void>,
  ) {}

  /**
   * Opens a database, and installs pg-boss in it where it is not.
   *
   * @param notice takes a sentence for the user: the server is away
   * @throws {UserError} when it cannot be reached, or another process has the folder
   */
  static async open(
    place: QueuePlace,
    notice: (sentence: string) => void,
  ): Promise<QueueDatabase> {
    const { name, options, close } = "url" in place
      ? { name: hostOf(place.url), options: { connectionString: place.url }, close: async () => {} }
      : await openFolder(place.folder);
    const boss = new PgBoss({
      ...options,
      ...{ schema: BOSS_SCHEMA, application_name: "kvreplay", schedule: false },
      // A cell whose worker is gone is found within seconds.
      ...{ superviseIntervalSeconds: 2, monitorIntervalSeconds: 2 },
    });
    // Its rounds of maintenance come again; what a call of ours meets is thrown there.
    boss.on("error", () => {});
    const database = new QueueDatabase(boss, name, notice, close);
    try {
      await boss.start();
    } catch (error) {
      await close();
      throw new UserError(`Cannot open the queue ${name}: ${reasonOf(error)}`);
    }
    return database;
  }

  /**
   * Opens a database to be looked at: nothing can be written through it.
   *
   * @throws {UserError} when it cannot be reached, or holds no queue
   */
  static async openToRead(url: string): Promise<QueueDatabase> {
    const name = hostOf(url);
    const readOnly = new URL(url);
    readOnly.searchParams.set("options", "-c default_transaction_read_only=on");
    const boss = new PgBoss({
      ...{ connectionString: readOnly.href, schema: BOSS_SCHEMA, application_name: "kvreplay" },
      ...{ schedule: false, supervise: false, migrate: false },
    });
    boss.on("error", () => {});
    try {
      await boss.start();
    } catch (error) {
      throw new UserError(
        `Cannot look at the queue ${name}: ${
          (error as Error).message
        }; expected a database that "sweep run --queue" has used`,
      );
    }
    return new QueueDatabase(boss, name, () => {}, async () => {});
  }

  /** Rows of one statement; undefined while the server is away. */
  async glance(text: string, values: readonly unknown[] = []): Promise<Rows | undefined> {
    try {
      return (await this.boss.getDb().executeSql(text, [...values])).rows;
    } catch (error) {
      if (isAway(error)) return undefined;
      throw error;
    }
  }

  /** Does something with the database; while the server is away, again and again. */
  async patiently<V>(work: () => Promise<V>): Promise<V> {
    const since = Date.now();
    for (;;) {
      try {
        const value = await work();
        this.#told = false;
        return value;
      } catch (error) {
        if (!isAway(error)) throw error;
        const { message } = error;
        if (Date.now() - since > LONGEST_AWAY_MS) {
          throw new UserError(
            `The queue ${this.place} has been away for ${
              LONGEST_AWAY_MS / 1000
            } s: ${message}; expected its server to come back`,
          );
        }
        if (!this.#told) {
          this.notice(`The queue ${this.place} is away: ${message}; it is waited for`);
        }
        this.#told = true;
        await new Promise((done) => setTimeout(done, ASK_AGAIN_MS));
      }
    }
  }

  /** Rows of one statement. */
  async query(text: string, values: readonly unknown[] = []): Promise<Rows> {
    const run = () => this.boss.getDb().executeSql(text, [...values]);
    return (await this.patiently(run)).rows;
  }

  /** Calls back whenever somebody says that something has changed. */
  async listen(changed: (what: string) => void): Promise<() => Promise<void>> {
    const handle = await this.patiently(async () =>
      await this.boss.getDb().listen?.(CHANNEL, changed, () => changed(""))
    );
    return async () => await handle?.close();
  }

  /** Says that something has changed. */
  async tell(what: string): Promise<void> {
    await this.query("SELECT pg_notify($1, $2)", [CHANNEL, what]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.boss.stop({ graceful: false }).catch(() => {});
    await this.closeOwn();
  }
}

async function openFolder(folder: string): Promise<{
  readonly name: string;
  readonly options: ConstructorOptions;
  close(): Promise<void>;
}> {
  await Deno.mkdir(dirname(folder), { recursive: true });
  const lock = await Deno.open(`${folder}.lock`, { write: true, create: true });
  if (!await lock.tryLock(true).catch(() => true)) {
    lock.close();
    throw new UserError(`Another process has the queue ${folder}; expected it to be done`);
  }
  const pglite = await PGlite.create(folder);
  return {
    name: folder,
    options: { db: fromPglite(pglite), backend: "pglite" },
    close: async () => {
      await pglite.close();
      lock.close();
    },
  };
}

/** Host and database of a URL: what it holds besides is nobody's to read. */
function hostOf(url: string): string {
  const { hostname, port, pathname } = new URL(url);
  return `postgres://${hostname}${port === "" ? "" : `:${port}`}${pathname}`;
}

/** Why a database cannot be opened, with what would help against a permission that is not given. */
function reasonOf(error: unknown): string {
  const { message } = error as Error;
  return /\bEPERM\b|Requires net access/.test(message)
    ? `${message}: give its host and port with --allow-net, as docs/permissions.md has it`
    : message;
}

/** Codes of PostgreSQL ("Error Codes": class 08, 57P01 to 57P03) and of the system. */
const AWAY = /^(08\w{3}|57P0[123]|ECONNREFUSED|ECONNRESET|EPIPE|ENOTCONN|ETIMEDOUT)$/;

function isAway(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  const { code } = error as Error & { code?: unknown };
  return typeof code === "string" && AWAY.test(code) ||
    /connection terminated|timeout exceeded when trying to connect|not queryable/i
      .test(error.message);
}
