/**
 * The main thread of the sandbox's process. It never runs a line of the policy: it passes messages
 * between the evaluator and the worker, and ends the process when the evaluator is gone, when the
 * policy takes too much memory, or when it computes without being asked.
 *
 * @module
 */
import type { frameCodec } from "./frame.ts";

/** What the process's code is given. */
export interface ChildParts {
  readonly frameCodec: typeof frameCodec;
  /** Kinds of message, as in `FRAME_KINDS`. */
  readonly kinds: { readonly reply: number; readonly end: number };
  /** Module text of the worker. */
  readonly workerSource: string;
}

/** The first message to the process. */
export interface Hello {
  /** 16 bytes that mark every message of the process, in hexadecimal. */
  readonly nonce: string;
  readonly source: string;
  readonly language: "ts" | "js";
  readonly memoryBytes: number;
  readonly messageBytes: number;
}

/** Runs in the sandbox's process until the evaluator closes it. Refers to nothing outside itself. */
export async function childMain(parts: ChildParts): Promise<never> {
  const MEMORY_EVERY_MS = 10;
  /** CPU time in milliseconds that garbage collection and compilation may take between questions. */
  const IDLE_CPU_MS = 250;
  const { default: process } = await import("node:process");
  const { default: v8 } = await import("node:v8");

  // In a compiled binary this process was started with the permissions of the evaluator.
  const names = ["read", "write", "net", "env", "run", "sys", "ffi", "import"];
  for (const name of names) Deno.permissions.revokeSync({ name } as Deno.PermissionDescriptor);

  const codec = parts.frameCodec();
  const incoming = codec.reader(undefined, 2 ** 31);
  const nonce = new Uint8Array(16);
  let worker: Worker | undefined;
  /** Sequence number of the question that is being answered. */
  let asked: number | undefined;
  let idleSince = { at: 0, cpu: 0 };

  function write(kind: number, seq: number, text: string): void {
    const bytes = codec.encode(kind, seq, nonce, text);
    for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
  }

  function end(reason: string): never {
    write(parts.kinds.end, asked ?? 0, reason);
    Deno.exit(1);
  }

  function cpuMs(): number {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  }

  function reply(text: unknown): void {
    if (asked === undefined) end("spoke without being asked");
    if (typeof text !== "string") end("replied with something that is not text");
    write(parts.kinds.reply, asked, text);
    asked = undefined;
    idleSince = { at: performance.now(), cpu: cpuMs() };
  }

  function begin(hello: Hello): void {
    for (let i = 0; i < nonce.length; i++) {
      nonce[i] = parseInt(hello.nonce.slice(2 * i, 2 * i + 2), 16);
    }
    // Read when a context is made; `deno run` has it as a flag, a compiled binary has not.
    v8.setFlagsFromString("--disallow-code-generation-from-strings");
    const before = Deno.memoryUsage().rss;
    setInterval(() => {
      if (Deno.memoryUsage().rss - before > hello.memoryBytes) end("memory");
    }, MEMORY_EVERY_MS);
    worker = new Worker(
      `data:application/javascript,${encodeURIComponent(parts.workerSource)}`,
      { type: "module", deno: { permissions: "none" } },
    );
    worker.addEventListener("message", ({ data }) => reply(data));
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      end(`error ${event.message}`);
    });
    const { source, language, messageBytes } = hello;
    worker.postMessage({ source, language, mostUnits: messageBytes });
  }

  function ask(text: string): void {
    const gap = performance.now() - idleSince.at;
    const cpu = cpuMs() - idleSince.cpu;
    if (cpu > IDLE_CPU_MS && cpu > gap / 2) end("busy");
    worker!.postMessage(text);
  }

  const buffer = new Uint8Array(2 ** 16);
  for (;;) {
    const length = await Deno.stdin.read(buffer);
    // The evaluator has gone, however it went.
    if (length === null) Deno.exit(0);
    for (const { seq, text } of incoming.push(buffer.subarray(0, length))) {
      asked = seq;
      if (worker === undefined) begin(JSON.parse(text));
      else ask(text);
    }
  }
}
