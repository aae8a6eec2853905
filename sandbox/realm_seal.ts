// deno-lint-ignore-file error-law/class -- its text runs where there are no classes of ours
/**
 * What a guest's realm is left with before the guest is loaded into it.
 *
 * @module
 */

/** Global names that guests keep: the language itself, without what reaches other threads. */
export const REALM_GLOBALS: readonly string[] = [
  ...["Object", "Function", "Array", "Number", "Boolean", "String", "Symbol", "BigInt", "Math"],
  ...["Date", "Temporal", "Intl", "RegExp", "JSON", "Promise", "Proxy", "Reflect", "Iterator"],
  ...["Map", "Set", "WeakMap", "WeakSet", "ArrayBuffer", "DataView", "globalThis", "console"],
  ...["Int8Array", "Uint8Array", "Uint8ClampedArray", "Int16Array", "Uint16Array", "Int32Array"],
  ...["Uint32Array", "BigInt64Array", "BigUint64Array", "Float16Array", "Float32Array"],
  ...["Float64Array", "Error", "AggregateError", "EvalError", "RangeError", "ReferenceError"],
  ...["SyntaxError", "TypeError", "URIError", "SuppressedError", "DisposableStack"],
  ...["AsyncDisposableStack", "queueMicrotask", "parseFloat", "parseInt", "isFinite", "isNaN"],
  ...["Infinity", "NaN", "undefined", "decodeURI", "decodeURIComponent", "encodeURI"],
  ...["encodeURIComponent", "escape", "unescape"],
];

/**
 * Takes everything but these globals from the realm it runs in, and silences its console. Refers to
 * nothing outside itself: its text runs in the guest's realm.
 *
 * @throws {Error} for a global that cannot be taken away
 */
export function sealRealm(globals: readonly string[]): void {
  const kept = new Set<PropertyKey>(globals);
  for (const name of Reflect.ownKeys(globalThis)) {
    if (!kept.has(name) && !Reflect.deleteProperty(globalThis, name)) {
      throw new Error(`The sandbox cannot take away ${String(name)}`);
    }
  }
  const silent: Record<string, () => void> = {};
  for (const name of ["debug", "log", "info", "warn", "error", "trace", "dir", "table", "assert"]) {
    silent[name] = () => {};
  }
  Object.defineProperty(globalThis, "console", { value: silent, writable: true });
  // A function here would be handed call sites, which are objects of the realm outside.
  Object.defineProperty(Error, "prepareStackTrace", {
    value: undefined,
    writable: false,
    configurable: false,
  });
  Object.defineProperty(globalThis, "Error", {
    value: Error,
    writable: false,
    configurable: false,
  });
}

/**
 * What a guest threw, in words, whatever it is. Refers to nothing outside itself: its text runs in the
 * guest's realm.
 */
export function describeThrown(error: unknown): string {
  try {
    const { name, message } = error as Error;
    return typeof message === "string" ? `${name}: ${message}` : `${String(error)}`;
  } catch {
    return "something that cannot be described";
  }
}
