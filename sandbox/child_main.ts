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
  // One question is open at a time: questions and replies have memory that is used again.
  const incoming = codec.reader(undefined, 2 ** 31, reused());
  const outgoing = reused();
  const memory = new SharedArrayBuffer(parts.slateBytes);
  const slate = parts.slateSide(memory, 0);
  const nonce = new Uint8Array(16);
  const encoder = new TextEncoder();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let hello: Hello | undefined;
  let before = 0;

  function write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
  }

  /** Memory that is as long as the longest of what it is asked for. */
  function reused(): (bytes: number) => Uint8Array<ArrayBuffer> {
    let memory = new Uint8Array(0);
    return (bytes) => {
      if (bytes > memory.length) memory = new Uint8Array(bytes);
      return memory.subarray(0, bytes);
    };
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

  /** Passes the worker's reply on; the policy runs meanwhile, and at no other time. */
  function reply(seq: number, { memoryBytes, longestMs }: Hello): void {
    const start = performance.now();
    let whole = new Uint8Array(0);
    const body = slate.receive(() => {
      if (Deno.memoryUsage().rss - before > memoryBytes) {
        write(codec.encode(parts.kinds.end, seq, nonce, encoder.encode("memory")));
        Deno.exit(1);
      }
      // An evaluator that was killed cannot kill.
      if (Deno.ppid !== evaluator || performance.now() - start > longestMs) Deno.exit(1);
    }, (bytes) => {
      whole = outgoing(codec.headerBytes + bytes);
      return whole.subarray(codec.headerBytes);
    });
    codec.head(whole, parts.kinds.reply, seq, nonce, body.length);
    write(whole);
  }

  for (;;) {
    const length = Deno.stdin.readSync(incoming.space());
    // The evaluator has gone, however it went.
    if (length === null) Deno.exit(0);
    const frame = incoming.filled(length);
    if (frame === undefined) continue;
    if (hello === undefined) await begin(JSON.parse(decoder.decode(frame.body)));
    else slate.send(frame.body);
    reply(frame.seq, hello!);
  }
}
