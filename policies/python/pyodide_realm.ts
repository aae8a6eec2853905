// deno-lint-ignore-file error-law/class -- its text runs where there are no classes of ours
/**
 * What runs in the same realm as Pyodide: it gives Pyodide what that expects to find, and hands
 * questions to Python. The realm has the language, WebAssembly and nothing else, so `js` and
 * `pyodide_js` lead nowhere from Python. Nothing here is trusted by the evaluator.
 *
 * @module
 */
import type { describeThrown, sealRealm } from "../../sandbox/realm_seal.ts";
import type { RealmGuest } from "../../sandbox/worker_main.ts";

/** What the realm's code is given. */
export interface PyodideRealmParts {
  readonly seal: typeof sealRealm;
  readonly describe: typeof describeThrown;
  /** Global names that stay. */
  readonly globals: readonly string[];
}

/** What Pyodide's two modules export, joined to one. */
interface PyodideExports {
  readonly default: unknown;
  /** What Pyodide's list of packages says of Pyodide. */
  readonly info: unknown;
  loadPyodide(options: Record<string, unknown>): Promise<{
    runPython(code: string, options?: { globals: unknown }): unknown;
    readonly globals: { get(name: string): (...given: unknown[]) => unknown };
  }>;
}

/**
 * Prepares the realm and returns what runs Python in it. A question is the text that the worker begins
 * with; or four bytes of which the first is not 1, four 32-bit lengths, and as many bytes: Pyodide's
 * WebAssembly, Python's standard library, the text that asks the policy, the arguments of `Asker` in
 * JSON; or, where the first length is 0, a question to the policy in the last part. Refers to nothing
 * outside itself.
 */
export function pyodideRealm(parts: PyodideRealmParts): (exports: PyodideExports) => RealmGuest {
  const { fromCharCode } = String;
  const { stringify } = JSON;
  parts.seal(parts.globals);
  const global = globalThis as unknown as Record<string, unknown>;

  /** UTF-8 and UTF-16 alone: what Emscripten asks for. */
  class Decoder {
    readonly encoding: string;
    constructor(label = "utf-8") {
      this.encoding = label.toLowerCase().replace("utf8", "utf-8");
    }
    decode(given?: ArrayBuffer | ArrayBufferView): string {
      if (given === undefined) return "";
      const bytes = ArrayBuffer.isView(given)
        ? new Uint8Array(given.buffer, given.byteOffset, given.byteLength)
        : new Uint8Array(given);
      if (bytes.every((byte) => byte < 0x80) && this.encoding !== "utf-16le") {
        let ascii = "";
        for (let i = 0; i < bytes.length; i += 4096) {
          ascii += fromCharCode(...bytes.subarray(i, i + 4096));
        }
        return ascii;
      }
      const units: number[] = [];
      let text = "";
      const flush = () => {
        text += fromCharCode(...units);
        units.length = 0;
      };
      const add = (point: number) => {
        if (point < 0x10000) units.push(point);
        else units.push(0xd800 + (point - 0x10000 >> 10), 0xdc00 + (point - 0x10000 & 0x3ff));
        if (units.length > 4000) flush();
      };
      if (this.encoding === "utf-16le") {
        for (let i = 0; i + 1 < bytes.length; i += 2) add(bytes[i]! | bytes[i + 1]! << 8);
      } else if (this.encoding !== "utf-8") {
        for (const byte of bytes) add(byte);
      } else {
        for (let i = 0; i < bytes.length;) {
          const first = bytes[i++]!;
          const more = first < 0x80
            ? 0
            : first < 0xc0
            ? -1
            : first < 0xe0
            ? 1
            : first < 0xf0
            ? 2
            : 3;
          if (more < 0) {
            add(0xfffd);
            continue;
          }
          let point = more === 0 ? first : first & (0x3f >> more);
          for (let k = 0; k < more; k++) point = point << 6 | bytes[i++]! & 0x3f;
          add(point);
        }
      }
      flush();
      return text;
    }
  }

  class Encoder {
    readonly encoding = "utf-8";
    encode(text = ""): Uint8Array {
      const bytes: number[] = [];
      for (const char of text) {
        const point = char.codePointAt(0)!;
        if (point < 0x80) bytes.push(point);
        else if (point < 0x800) bytes.push(0xc0 | point >> 6, 0x80 | point & 0x3f);
        else if (point < 0x10000) {
          bytes.push(0xe0 | point >> 12, 0x80 | point >> 6 & 0x3f, 0x80 | point & 0x3f);
        } else {
          bytes.push(0xf0 | point >> 18, 0x80 | point >> 12 & 0x3f);
          bytes.push(0x80 | point >> 6 & 0x3f, 0x80 | point & 0x3f);
        }
      }
      return Uint8Array.from(bytes);
    }
  }

  const files: Record<string, Uint8Array> = {};
  // With these three Pyodide takes the realm for a shell, which has files and no network.
  global.read = global.load = (name: string) => {
    throw new Error(`There is no file ${name}`);
  };
  global.readbuffer = (name: string) => {
    if (files[name] === undefined) throw new Error(`There is no file ${name}`);
    return files[name];
  };
  // And with this Emscripten takes it for a worker, which has random bytes.
  global.WorkerGlobalScope = Object;
  global.TextDecoder = Decoder;
  global.TextEncoder = Encoder;
  global.performance = { now: () => Date.now() };
  // As random as Math.random, so that a policy that draws is not deterministic, and is told so.
  global.crypto = {
    getRandomValues(bytes: Uint8Array) {
      for (let i = 0; i < bytes.length; i++) bytes[i] = Math.random() * 256;
      return bytes;
    },
  };
  // Nothing waits for time to pass.
  global.setTimeout = (then: () => void) => {
    queueMicrotask(then);
    return 0;
  };
  global.clearTimeout = () => {};

  return (exports) => {
    const decoder = new Decoder();
    let room = new Uint8Array(0);
    let reply: string | undefined;
    let ask: ((question: string) => unknown) | undefined;

    async function load(code: string): Promise<void> {
      const python = await exports.loadPyodide({
        createPyodideModule: exports.default,
        indexURL: "/",
        lockFileContents: { info: exports.info, packages: {} },
        packageBaseUrl: "/",
        stdout: () => {},
        stderr: () => {},
        // Sets of strings have one order, whenever it is asked.
        env: { PYTHONHASHSEED: "0" },
      });
      for (const name of Object.keys(files)) delete files[name];
      python.runPython(code);
      const begin = python.runPython(
        "def begin(given):\n" +
          "    global asker\n" +
          "    asker = Asker(**json.loads(given))\n" +
          "    return asker.load()\n" +
          "begin",
      ) as (given: string) => string;
      ask = (given) => {
        const started = begin(given);
        ask = python.runPython("asker.ask") as (question: string) => unknown;
        return started;
      };
      reply = "A{}";
    }

    function put(): void {
      reply = undefined;
      // The worker's own first question: Pyodide's files are not here yet.
      if (room[0] === 123) {
        reply = "A{}";
        return;
      }
      const lengths = new Uint32Array(room.buffer, 4, 4);
      let at = 20;
      const [wasm, library, code, given] = Array.from(lengths, (length) => {
        const part = room.subarray(at, at + length);
        at += length;
        return part;
      }) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
      const failed = (error: unknown) => {
        reply = `T${stringify(["Python", parts.describe(error)])}`;
      };
      try {
        if (wasm.length === 0) {
          reply = String(ask!(decoder.decode(given)));
          return;
        }
        files["/pyodide.asm.wasm"] = wasm;
        files["/python_stdlib.zip"] = library;
        load(decoder.decode(code)).catch(failed);
      } catch (error) {
        failed(error);
      }
    }

    return { room: (bytes) => room = new Uint8Array(bytes), put, take: () => reply };
  };
}
