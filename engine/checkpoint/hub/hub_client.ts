/**
 * Requests to the hub: the token goes to its own host only, redirects are followed one by one, what may
 * pass is tried again, and every refusal is one sentence.
 *
 * @module
 */
import { UserError } from "../../../errors.ts";
import { isOwnProgram } from "../../command_text.ts";
import type { HubAccess } from "./access.ts";
import type { HubRepo } from "./name.ts";
import { Retry, TransientError } from "./retry.ts";

/** How patient a client is; a test is less so. */
export interface Patience {
  /** Milliseconds until an answer begins, and between two pieces of one. */
  readonly answerMs: number;
  /** Waits; a test may only note how long. */
  pause(ms: number): Promise<void>;
}

/** What a client tells while it works. */
export interface ClientOptions {
  /** What is asked for, for messages. */
  readonly repo: HubRepo;
  /** What the user calls it; absent for its name. */
  readonly asked?: string;
  readonly access: HubAccess;
  readonly patience?: Patience;
  /** Takes a sentence for the user: what is tried again, and when. */
  readonly notice?: (sentence: string) => void;
}

const PATIENCE: Patience = {
  answerMs: 20_000,
  pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};

const MOST_REDIRECTS = 8;

/** Statuses that may pass: timeouts, too many requests, a server that is down. */
const PASSING: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

/** Requests about one repository. */
export class HubClient {
  readonly repo: HubRepo;
  readonly access: HubAccess;
  readonly #patience: Patience;
  readonly #notice: (sentence: string) => void;
  readonly #origin: string;
  readonly #asked: string;

  constructor(
    { repo, asked = repo.name, access, patience = PATIENCE, notice = () => {} }: ClientOptions,
  ) {
    this.repo = repo;
    this.#asked = asked;
    this.access = access;
    this.#patience = patience;
    this.#notice = notice;
    this.#origin = new URL(access.endpoint).origin;
  }

  /** Address of the repository. */
  get address(): string {
    const { type, name } = this.repo;
    return `${this.access.endpoint}/${type === "model" ? "" : `${type}s/`}${name}`;
  }

  /** Tries something until it succeeds, or has failed too often in a row. */
  retry(): Retry {
    return new Retry((ms) => this.#patience.pause(ms), this.#notice);
  }

  /** `fetch` for `@huggingface/hub`: answers are complete, and good. */
  readonly fetch: typeof fetch = async (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    const headers = new Headers(init?.headers);
    return await this.retry().run(async () => {
      const answer = await this.request(url, headers);
      const parts: Uint8Array<ArrayBuffer>[] = [];
      for await (const part of this.body(answer)) parts.push(part);
      const { status, headers: got } = answer;
      return new Response(new Blob(parts), { status, headers: got });
    });
  };

  /**
   * Asks once. Nothing is compressed, so that lengths and ranges are those of the file.
   *
   * @returns an answer of status 200 to 299, whose body has not been read
   * @throws {TransientError} for what may pass
   * @throws {UserError} for every other answer
   */
  async request(url: string, headers: Headers): Promise<Response> {
    let at = new URL(url);
    for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
      const answer = await this.#send(at, headers);
      const location = answer.headers.get("location");
      if (answer.status < 300 || answer.status > 399 || location === null) {
        if (answer.ok) return answer;
        await answer.body?.cancel();
        throw this.#refusal(answer, at, url);
      }
      await answer.body?.cancel();
      at = this.#redirected(at, location);
    }
    throw new UserError(`The hub at ${this.access.endpoint} redirects ${url} without end`);
  }

  /**
   * The pieces of an answer's body.
   *
   * @throws {TransientError} when it is cut, or stands still
   */
  async *body(answer: Response): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    if (answer.body === null) return;
    const reader = answer.body.getReader();
    try {
      for (;;) {
        const { value, done } = await this.#inTime(reader.read(), answer.url);
        if (done) return;
        yield value;
      }
    } catch (error) {
      throw this.#broken(error, answer.url);
    } finally {
      // A connection that is broken cannot be closed.
      await reader.cancel().catch(() => {});
    }
  }

  async #send(url: URL, given: Headers): Promise<Response> {
    const headers = new Headers(given);
    headers.set("accept-encoding", "identity");
    const { token } = this.access;
    if (token !== undefined && url.origin === this.#origin) {
      headers.set("authorization", `Bearer ${token}`);
    } else {
      headers.delete("authorization");
    }
    const abort = new AbortController();
    try {
      const answer = fetch(url, { headers, redirect: "manual", signal: abort.signal });
      return await this.#inTime(answer, url.href);
    } catch (error) {
      abort.abort();
      throw this.#broken(error, url.href);
    }
  }

  #redirected(from: URL, location: string): URL {
    const to = URL.parse(location, from);
    if (to !== null && (to.protocol === "https:" || to.protocol === from.protocol)) return to;
    throw new UserError(
      `The hub at ${this.access.endpoint} redirects to ${
        JSON.stringify(location)
      }, which is not safe to follow`,
    );
  }

  /** Waits for something, but not longer than for an answer. */
  async #inTime<T>(work: Promise<T>, url: string): Promise<T> {
    const { answerMs } = this.#patience;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(
          new TransientError(`${hostOf(url)} has sent nothing for ${answerMs / 1000} s`),
        );
      }, answerMs);
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
      // What comes too late is nobody's.
      work.catch(() => {});
    }
  }

  /** What a failed request or a cut body means. */
  #broken(error: unknown, url: string): Error {
    if (error instanceof UserError || !(error instanceof Error)) return error as Error;
    if (error instanceof Deno.errors.NotCapable) return this.#notAllowed(url);
    const { message } = error.cause instanceof Error ? error.cause : error;
    // A signed address is nobody's to read.
    const cause = message.replace(/^error sending request for url \(.*?\): /, "");
    return new TransientError(`${hostOf(url)} cannot be reached or broke off: ${cause}`);
  }

  #notAllowed(url: string): UserError {
    const hosts = [new URL(this.access.endpoint).host, new URL(url).host];
    const allowed = [...new Set(hosts)].join(",");
    return new UserError(
      isOwnProgram()
        ? `This program may not reach ${
          hostOf(url)
        }: use another to bring ${this.repo.name} into the hub's cache, or clone the repository and run deno run -P=fetch --allow-net=${allowed} cli.ts fetch ${this.#asked}`
        : `This program may not reach ${
          hostOf(url)
        }: allow it with deno run -P=fetch --allow-net=${allowed} cli.ts fetch ${this.#asked}`,
    );
  }

  /**
   * What an answer that is none of the good ones means; headers as in huggingface_hub, `_http.py`.
   *
   * @param at where the answer comes from, `asked` what was asked for at first
   */
  #refusal({ status, headers }: Response, at: URL, asked: string): UserError {
    const { endpoint, token } = this.access;
    const { type, name } = this.repo;
    if (PASSING.has(status)) {
      const error = new TransientError(`${at.host} answers ${status} for ${name}`);
      error.waitMs = retryAfter(headers);
      return error;
    }
    if (at.origin !== this.#origin) {
      return new UserError(`${at.host}, where the hub keeps files of ${name}, answers ${status}`);
    }
    const path = decodeURIComponent(new URL(asked).pathname);
    const code = headers.get("x-error-code");
    if (code === "GatedRepo") {
      return new UserError(
        `The ${type} ${name} is gated: ask for access at ${this.address}, and give the token of an account that has it in HF_TOKEN or with hf auth login`,
      );
    }
    if (code === "RevisionNotFound") {
      const [, revision = ""] = /\/(?:revision|tree)\/(.+)$/.exec(path) ?? [];
      return new UserError(
        `The ${type} ${name} has no revision "${revision}": give a branch, a tag or a commit that is there`,
      );
    }
    if (code === "EntryNotFound") {
      return new UserError(`The ${type} ${name} has no file ${path}`);
    }
    if (token !== undefined && status === 401 && code === null) {
      return new UserError(
        `The hub at ${endpoint} does not know the token that it was sent for ${name}: log in again with hf auth login, or set HF_TOKEN`,
      );
    }
    if (status === 401 || status === 404) {
      return new UserError(
        `The hub at ${endpoint} has no ${type} ${name}, or shows it only to some: check the name${
          token === undefined ? ", and set HF_TOKEN if it is a private one" : ""
        }`,
      );
    }
    return new UserError(`The hub at ${endpoint} answers ${status} for ${path}`);
  }
}

/** How long an answer asks to wait, in milliseconds (RFC 9110, section 10.2.3). */
function retryAfter(headers: Headers): number | undefined {
  const text = headers.get("retry-after");
  if (text === null) return undefined;
  const ms = /^\d+$/.test(text) ? 1000 * Number(text) : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

function hostOf(url: string): string {
  return URL.parse(url)?.host ?? url;
}
