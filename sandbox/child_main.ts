/**
 * The main thread of the sandbox's process. It never runs a line of the policy: it passes messages
 * between the evaluator and the worker, and ends the process when the evaluator is gone or when the
 * policy takes too much memory or time.
 *
 * @module
 */
import type { frameCodec } from "./frame.ts";
import type { slateSide } from "./slate.ts";

/** What the process's code is given. */
export interface ChildParts {
  readonly frameCodec: typeof frameCodec;
  /** Kinds of message, as in `FRAME_KINDS`. */
  readonly kinds: { readonly reply: number; readonly end: number };
  readonly slateSide: typeof slateSide;
  readonly slateBytes: number;
  /** Module text of the worker. */
  readonly workerSource: string;
}

/** The first message to the process. */
export interface Hello {
  /** 16 bytes that mark every message of the process, in hexadecimal. */
  readonly nonce: string;
  readonly source: string;
  readonly language: "ts" | "js" | "py";
  readonly memoryBytes: number;
  readonly messageBytes: number;
  /** After this time the process ends by itself; an evaluator that lives kills it sooner. */
  readonly longestMs: number;
}

/** Runs in the sandbox's process until the evaluator closes it. Refers to nothing outside itself. */
export async function childMain(parts: ChildParts): Promise<never> {
  // In a compiled binary this process was started with the permissions of the evaluator.
  for (const name of ["read", "write", "net", "env", "run", "sys", "ffi", "import"]) {
    Deno.permissions.revokeSync({ name } as Deno.PermissionDescriptor);
  }

  const evaluator = Deno.ppid;
  const codec = parts.frameCodec();
  const incoming = codec.reader(undefined, 2 ** 31);
  const memory = new SharedArrayBuffer(parts.slateBytes);
  const slate = parts.slateSide(memory, 0);
  const nonce = new Uint8Array(16);
  const encoder = new TextEncoder();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let hello: Hello | undefined;
  let before = 0;

  function write(kind: number, seq: number, body: Uint8Array): void {
    const bytes = codec.encode(kind, seq, nonce, body);
    for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
  }

  async function begin(given: Hello): Promise<void> {
    hello = given;
    for (let i = 0; i < nonce.length; i++) {
      nonce[i] = parseInt(given.nonce.slice(2 * i, 2 * i + 2), 16);
    }
    const worker = new Worker(
      `data:application/javascript,${encodeURIComponent(parts.workerSource)}`,
      { type: "module", deno: { permissions: "none" } },
    );
    const { source, language, messageBytes } = given;
    // The worker says that it is up; from then on this thread blocks whenever it waits.
    const up = new Promise((resolve) => worker.addEventListener("message", resolve));
    worker.postMessage(memory);
    await up;
    before = Deno.memoryUsage().rss;
    slate.send(encoder.encode(JSON.stringify({ source, language, mostUnits: messageBytes })));
  }

  /** The worker's reply; the policy runs meanwhile, and at no other time. */
  function reply(seq: number, { memoryBytes, longestMs }: Hello): Uint8Array {
    const start = performance.now();
    return slate.receive(() => {
      if (Deno.memoryUsage().rss - before > memoryBytes) {
        write(parts.kinds.end, seq, encoder.encode("memory"));
        Deno.exit(1);
      }
      // An evaluator that was killed cannot kill.
      if (Deno.ppid !== evaluator || performance.now() - start > longestMs) Deno.exit(1);
    });
  }

  const buffer = new Uint8Array(2 ** 16);
  for (;;) {
    const length = Deno.stdin.readSync(buffer);
    // The evaluator has gone, however it went.
    if (length === null) Deno.exit(0);
    for (const { seq, body } of incoming.push(buffer.subarray(0, length))) {
      if (hello === undefined) await begin(JSON.parse(decoder.decode(body)));
      else slate.send(body);
      write(parts.kinds.reply, seq, reply(seq, hello!));
    }
  }
}
