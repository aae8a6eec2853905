// deno-lint-ignore-file error-law/class -- its text runs where there are no classes of ours
/**
 * The sandbox's worker thread: no permissions, its own copy of every global, and of those only the
 * language. It makes the guest's realm and passes messages between it and the process's main thread.
 *
 * @module
 */
import type { registerHooks, stripTypeScriptTypes } from "node:module";
import type vm from "node:vm";
import type { SlateSide, slateSide } from "./slate.ts";

/** What the worker's code is given. */
export interface WorkerParts {
  readonly vm: typeof vm;
  readonly registerHooks: typeof registerHooks;
  readonly stripTypeScriptTypes: typeof stripTypeScriptTypes;
  /** Module text that exports by default what runs a guest in its realm. */
  readonly realmSource: string;
  /** Whether the guest may compile WebAssembly, and is asked and replies in bytes. */
  readonly binary: boolean;
  /** First byte of a question that a binary guest is asked in a realm made afresh. */
  readonly fresh: number;
  /** Global names that stay in the worker, too. */
  readonly globals: readonly string[];
  readonly slateSide: typeof slateSide;
}

/**
 * A guest in its realm: text goes in and out, and bytes of a binary guest, which are copied between
 * memory of its realm and of ours.
 */
export interface RealmGuest {
  /** Memory of the realm for a question of so many bytes; binary guests alone have it. */
  room?(bytes: number): Uint8Array;
  /** Puts a question: its text, or what was written into the room. */
  put(question?: string): void;
  /** The reply, once; undefined while there is none. */
  take(): string | Uint8Array | undefined;
}

/** First byte of a question that a binary guest is asked in a realm made afresh. */
export const FRESH_REALM = 1;

/** The first text on the slate. */
export interface WorkerStart {
  readonly source: string;
  readonly language: "ts" | "js";
  /** Longest reply, in UTF-16 units. */
  readonly mostUnits: number;
}

/**
 * Runs in the worker. A reply in text begins with a letter: see `RealmPolicy.take`; further `I` and a
 * specifier for a guest that imports, `L` and a message for one that cannot be loaded, `B` for a reply
 * that is too big. Refers to nothing outside itself.
 */
export function workerMain(parts: WorkerParts): void {
  const { vm, stripTypeScriptTypes } = parts;
  const scope = globalThis as unknown as {
    addEventListener(type: string, listener: (event: MessageEvent) => void): void;
    postMessage(message: unknown): void;
    setTimeout(then: () => void, ms: number): void;
  };
  const listen = scope.addEventListener.bind(scope);
  const post = scope.postMessage.bind(scope);
  const later = scope.setTimeout.bind(scope);
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  // Of this realm, so that what a guest did to its own does not matter.
  const { apply } = Reflect;
  const { set } = Uint8Array.prototype;
  const typed = Object.getOwnPropertyDescriptors(Object.getPrototypeOf(Uint8Array.prototype));
  const tick = () => new Promise<void>((resolve) => later(resolve, 1));

  /** Takes away what reaches beyond this thread; the guest's realm does not even see this one. */
  function seal(): void {
    const kept = new Set<PropertyKey>(parts.globals);
    for (const name of Reflect.ownKeys(globalThis)) {
      if (typeof name === "string" && !kept.has(name)) Reflect.deleteProperty(globalThis, name);
    }
    // A compiled binary has no V8 flag against code from strings: what makes it cannot be found.
    Reflect.deleteProperty(globalThis, "Function");
    for (const made of [() => {}, async () => {}, function* () {}, async function* () {}]) {
      Object.defineProperty(Object.getPrototypeOf(made), "constructor", { value: undefined });
    }
    parts.registerHooks({
      resolve(specifier) {
        throw new TypeError(`${specifier} cannot be imported: nothing can be here`);
      },
    });
  }

  /** Resolves to false when, against all that was done, a module can still be imported. */
  async function sealed(): Promise<boolean> {
    try {
      await import(["node", "fs"].join(":"));
      return false;
    } catch {
      return !("Deno" in globalThis) && !("process" in globalThis);
    }
  }

  function message(error: unknown): string {
    const { name, message } = error as Error;
    return typeof message === "string" ? `${name}: ${message}` : "an error without a message";
  }

  /** JavaScript: types, and imports that only types use, are erased; enums are compiled. */
  function erased({ source, language }: WorkerStart): string {
    if (language === "js") return source;
    try {
      // Node's newest types no longer list this mode; Deno has it.
      return stripTypeScriptTypes(source, { mode: "transform" as "strip" });
    } catch (error) {
      // The message goes on with an excerpt of the source and ends with the position.
      const lines = message(error).split("\n");
      const [, line, column] = /:(\d+):(\d+)\s*$/.exec(lines.at(-1)!) ?? [];
      const what = lines[0]!.replace(/^(SyntaxError: )+/, "").replace(/\.$/, "");
      throw new SyntaxError(`${what}${line === undefined ? "" : `, at line ${line}:${column}`}`);
    }
  }

  /** Loads the guest's text into a realm of its own; resolves to the guest or to what went wrong. */
  async function load(text: string): Promise<RealmGuest | string> {
    // No code from strings; without a callback, import() is refused.
    const context = vm.createContext(vm.constants.DONT_CONTEXTIFY, {
      codeGeneration: { strings: false, wasm: parts.binary },
    });
    const module = (code: string, identifier: string) =>
      new vm.SourceTextModule(code, { context, identifier });
    const modules = {
      realm: module(parts.realmSource, "realm"),
      guest: module(text, "guest"),
    };
    const entry = module(
      'import realm from "realm"; import * as guest from "guest"; export const it = realm(guest);',
      "entry",
    );
    let imported: string | undefined;
    try {
      await entry.link((specifier, referrer) => {
        if (referrer !== entry) {
          imported = specifier;
          throw new Error(`It imports ${specifier}`);
        }
        return modules[specifier as keyof typeof modules];
      });
    } catch (error) {
      return imported === undefined ? `L${message(error)}` : `I${imported}`;
    }
    // The promise is one of the guest's realm: its `then` must not be handed a function of ours.
    entry.evaluate();
    for (;;) {
      if (entry.status === "errored") return `L${message(entry.error)}`;
      try {
        return (entry.namespace as { readonly it: RealmGuest }).it;
      } catch {
        // A guest that awaits at the top level.
        await tick();
      }
    }
  }

  /** The guest's reply; the thread goes on to the guest's promises only while it has none. */
  async function replyOf(guest: RealmGuest, mostUnits: number): Promise<Uint8Array> {
    for (;;) {
      const reply: unknown = guest.take();
      if (typeof reply === "string") return text(reply.length > mostUnits ? "B" : reply);
      if (reply !== undefined && parts.binary) return viewOf(reply, mostUnits);
      await tick();
    }
  }

  const text = (reply: string): Uint8Array => encoder.encode(reply);

  /** Bytes of a guest's realm, where they are; what is none throws. */
  function viewOf(reply: unknown, most: number): Uint8Array {
    const length: number = apply(typed.byteLength!.get!, reply, []);
    if (length > most) return text("B");
    const buffer: ArrayBuffer = apply(typed.buffer!.get!, reply, []);
    return new Uint8Array(buffer, apply(typed.byteOffset!.get!, reply, []), length);
  }

  /** Puts what stands on the slate; a binary guest finds it in memory of its realm. */
  function put(slate: SlateSide, guest: RealmGuest): void {
    if (parts.binary) {
      slate.receive(undefined, (bytes) => guest.room!(bytes));
      guest.put();
    } else guest.put(decoder.decode(slate.receive()));
  }

  async function run(memory: SharedArrayBuffer): Promise<void> {
    const slate = parts.slateSide(memory, 1);
    seal();
    const given: WorkerStart = JSON.parse(decoder.decode(slate.receive()));
    try {
      const source = erased(given);
      let guest = await sealed()
        ? await load(source)
        : "Lthe sandbox is not sealed on this version of Deno";
      const start = text('{"ask":"start"}');
      if (typeof guest !== "string") {
        if (parts.binary) apply(set, guest.room!(start.length), [start]);
        guest.put(decoder.decode(start));
      }
      if (typeof guest === "string") return slate.send(text(guest));
      slate.send(await replyOf(guest, given.mostUnits));
      for (;;) {
        if (parts.binary && slate.peek() === parts.fresh) guest = await load(source);
        if (typeof guest === "string") {
          slate.receive();
          return slate.send(text(guest));
        }
        put(slate, guest);
        slate.send(await replyOf(guest, given.mostUnits));
      }
    } catch (error) {
      slate.send(text(`L${message(error)}`));
    }
  }

  // The only messages are the slate's memory and that it has come; all else goes over the slate.
  listen("message", ({ data }) => {
    post("up");
    run(data);
  });
  // Errors that nobody waits for are the guest's own affair.
  listen("unhandledrejection", (event) => event.preventDefault());
}
