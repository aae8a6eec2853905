/** A page in headless Chromium that a test can talk to (Chrome DevTools Protocol). */
import { chromium } from "../leaderboard/report/chromium.ts";

interface Reply {
  readonly id?: number;
  readonly sessionId?: string;
  // deno-lint-ignore no-explicit-any -- what a command of the protocol gives
  readonly result?: any;
  readonly error?: { readonly message: string };
}

/** One page of a browser of its own. */
export class BrowserPage implements AsyncDisposable {
  #last = 0;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #session: string | undefined;

  private constructor(
    private readonly child: Deno.ChildProcess,
    private readonly profile: string,
    private readonly socket: WebSocket,
  ) {
    socket.addEventListener("message", ({ data }) => {
      const reply: Reply = JSON.parse(data);
      if (reply.id !== undefined) this.#waiting.get(reply.id)?.(reply);
    });
  }

  static async open(url: string): Promise<BrowserPage> {
    const profile = await Deno.makeTempDir({ prefix: "kvreplay-test-" });
    const child = new Deno.Command(chromium!, {
      args: [
        ...["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"],
        ...["--disable-background-networking", "--disable-component-update"],
        ...[`--user-data-dir=${profile}`, "--remote-debugging-port=0", "about:blank"],
      ],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const socket = new WebSocket(await addressIn(child.stderr));
    await new Promise((done) => socket.addEventListener("open", done, { once: true }));
    const page = new BrowserPage(child, profile, socket);
    const { targetId } = await page.#ask("Target.createTarget", { url });
    const attached = await page.#ask("Target.attachToTarget", { targetId, flatten: true });
    page.#session = attached.sessionId;
    await page.until("document.readyState === 'complete' && location.href !== 'about:blank'");
    return page;
  }

  /** The value of an expression in the page. */
  async value<V>(expression: string): Promise<V> {
    const { result, exceptionDetails } = await this.#ask("Runtime.evaluate", {
      ...{ expression, returnByValue: true, awaitPromise: true },
    });
    if (exceptionDetails !== undefined) throw new Error(`${expression}: ${exceptionDetails.text}`);
    return result.value;
  }

  /** Waits until an expression holds. */
  async until(expression: string): Promise<void> {
    for (let i = 0; i < 600; i++) {
      if (await this.value<boolean>(expression)) return;
      await new Promise((done) => setTimeout(done, 50));
    }
    throw new Error(`In the page it never held that ${expression}`);
  }

  // deno-lint-ignore no-explicit-any -- what a command of the protocol gives
  async #ask(method: string, params: Record<string, unknown>): Promise<any> {
    const id = ++this.#last;
    const reply = await new Promise<Reply>((done) => {
      this.#waiting.set(id, done);
      const session = this.#session === undefined ? {} : { sessionId: this.#session };
      this.socket.send(JSON.stringify({ id, method, params, ...session }));
    });
    this.#waiting.delete(id);
    if (reply.error !== undefined) throw new Error(`${method}: ${reply.error.message}`);
    return reply.result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((done) => this.socket.addEventListener("close", done));
    this.child.kill("SIGKILL");
    await this.child.status;
    await closed;
    // Its helpers may still write for a moment.
    for (let i = 0; i < 40; i++) {
      try {
        return await Deno.remove(this.profile, { recursive: true });
      } catch {
        await new Promise((done) => setTimeout(done, 50));
      }
    }
  }
}

/** Where the browser says that it listens; what it says afterwards is thrown away. */
async function addressIn(stderr: ReadableStream<Uint8Array>): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  (async () => {
    let said = "";
    for await (const text of stderr.pipeThrough(new TextDecoderStream())) {
      said = (said + text).slice(-10_000);
      const [, address] = /DevTools listening on (ws:\S+)/.exec(said) ?? [];
      if (address !== undefined) resolve(address);
    }
    reject(new Error(`The browser ended: ${said}`));
  })();
  return await promise;
}
