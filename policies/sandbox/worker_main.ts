// deno-lint-ignore-file error-law/class -- its text runs where there are no classes of ours
/**
 * The sandbox's worker thread: no permissions, its own copy of every global, and of those only the
 * language. It makes the policy's realm and passes text between it and the process's main thread.
 *
 * @module
 */
import type { registerHooks, stripTypeScriptTypes } from "node:module";
import type vm from "node:vm";
import type { RealmPolicy } from "./policy_realm.ts";
import type { slateSide } from "./slate.ts";

/** What the worker's code is given. */
export interface WorkerParts {
  readonly vm: typeof vm;
  readonly registerHooks: typeof registerHooks;
  readonly stripTypeScriptTypes: typeof stripTypeScriptTypes;
  /** Module text that exports `policyRealm(…)` by default. */
  readonly realmSource: string;
  /** Global names that stay in the worker, too. */
  readonly globals: readonly string[];
  readonly slateSide: typeof slateSide;
}

/** The first text on the slate. */
export interface WorkerStart {
  readonly source: string;
  readonly language: "ts" | "js";
  /** Longest reply, in UTF-16 units. */
  readonly mostUnits: number;
}

/**
 * Runs in the worker. Every reply is one string: see `RealmPolicy.take`; further `I` and a specifier
 * for a policy that imports, `L` and a message for one that cannot be loaded, `B` for a reply that
 * is too big. Refers to nothing outside itself.
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
  const tick = () => new Promise<void>((resolve) => later(resolve, 1));

  /** Takes away what reaches beyond this thread; the policy's realm does not even see this one. */
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

  /** Loads the policy's text; resolves to the policy or to what went wrong. */
  async function load(given: WorkerStart): Promise<RealmPolicy | string> {
    const text = erased(given);
    // No code from strings, no WebAssembly; without a callback, import() is refused.
    const context = vm.createContext(vm.constants.DONT_CONTEXTIFY, {
      codeGeneration: { strings: false, wasm: false },
    });
    const module = (code: string, identifier: string) =>
      new vm.SourceTextModule(code, { context, identifier });
    const modules = {
      realm: module(parts.realmSource, "realm"),
      policy: module(text, "policy"),
    };
    const entry = module(
      'import realm from "realm"; import * as policy from "policy"; export const it = realm(policy);',
      "entry",
    );
    let imported: string | undefined;
    try {
      await entry.link((specifier, referrer) => {
        if (referrer !== entry) {
          imported = specifier;
          throw new Error(`A policy imports ${specifier}`);
        }
        return modules[specifier as keyof typeof modules];
      });
    } catch (error) {
      return imported === undefined ? `L${message(error)}` : `I${imported}`;
    }
    // The promise is one of the policy's realm: its `then` must not be handed a function of ours.
    entry.evaluate();
    for (;;) {
      if (entry.status === "errored") return `L${message(entry.error)}`;
      try {
        return (entry.namespace as { readonly it: RealmPolicy }).it;
      } catch {
        // A policy that awaits at the top level.
        await tick();
      }
    }
  }

  /** Puts a question; the thread goes on to the policy's promises only while it has no reply. */
  async function answer(policy: RealmPolicy, question: string, mostUnits: number) {
    policy.put(question);
    for (;;) {
      const reply: unknown = policy.take();
      if (typeof reply === "string") return reply.length > mostUnits ? "B" : reply;
      await tick();
    }
  }

  async function run(memory: SharedArrayBuffer): Promise<void> {
    const slate = parts.slateSide(memory, 1);
    seal();
    const given: WorkerStart = JSON.parse(slate.receive());
    try {
      const policy = await sealed()
        ? await load(given)
        : "Lthe sandbox is not sealed on this version of Deno";
      if (typeof policy === "string") return slate.send(policy);
      slate.send(await answer(policy, '{"ask":"start"}', given.mostUnits));
      for (;;) slate.send(await answer(policy, slate.receive(), given.mostUnits));
    } catch (error) {
      slate.send(`L${message(error)}`);
    }
  }

  // The only messages are the slate's memory and that it has come; all else goes over the slate.
  listen("message", ({ data }) => {
    post("up");
    run(data);
  });
  // Errors that nobody waits for are the policy's own affair.
  listen("unhandledrejection", (event) => event.preventDefault());
}
