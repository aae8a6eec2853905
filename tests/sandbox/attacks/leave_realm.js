// deno-lint-ignore-file
/** Looks for any object of the realm outside its own, from where everything of that realm is reached. */
const found = [];
const Failure = Error;
function look(name, value) {
  if (value === null || (typeof value !== "object" && typeof value !== "function")) return;
  let root = value;
  for (let o = value; o !== null; o = Object.getPrototypeOf(o)) root = o;
  // Every chain of this realm ends in its own Object.prototype, or is a single object.
  if (root !== Object.prototype && root !== value) found.push(name);
}
const attempt = (name, act) => {
  try {
    look(name, act());
  } catch (error) {
    look(`${name} error`, error);
  }
};
const then = Promise.prototype.then;
Promise.prototype.then = function (...given) {
  given.forEach((g) => g && look("a promise's reaction", g));
  return then.apply(this, given);
};
class Spied extends Promise {
  constructor(executor) {
    look("a promise's executor", executor);
    super(executor);
  }
  static get [Symbol.species]() {
    return Spied;
  }
}
Object.defineProperty(Promise, Symbol.species, { get: () => Spied });
Promise.prototype.constructor = Spied;

attempt("global", () => globalThis);
attempt("console", () => console.log);
attempt("import.meta", () => import.meta);
attempt("import()", () => import("node:fs"));
attempt("stack overflow", () =>
  (function f() {
    return 1 + f();
  })());
attempt("type error", () => null.x);
attempt("range error", () => new Array(-1));
attempt("syntax error", () => new RegExp("("));
attempt("code from a string", () => Function("return this")());
attempt("caller", () => look.caller);
attempt("callee", () =>
  (function () {
    return arguments.callee.caller;
  })());
attempt("structured stack", () => {
  Error.prepareStackTrace = (_error, sites) => sites;
  const sites = new Error("x").stack;
  return Array.isArray(sites) ? sites[0] : sites;
});
attempt("captured stack", () => {
  const holder = {};
  Object.defineProperty(globalThis, "Error", { value: { prepareStackTrace: (_e, s) => s } });
  TypeError.captureStackTrace?.(holder);
  return holder.stack;
});
attempt("stack getter", () => {
  const holder = {};
  Error.captureStackTrace(holder);
  return Object.getOwnPropertyDescriptor(holder, "stack")?.get ?? holder;
});
try {
  await import("node:fs");
} catch (error) {
  look("import error", error);
}
await null;
await { then: (resolve, reject) => (look("resolve", resolve), look("reject", reject), resolve()) };

export default {
  choose_bits(...given) {
    given.forEach((value, i) => look(`argument ${i}`, value));
    look("this", this);
    attempt("structured stack when asked", () => {
      Error.prepareStackTrace = (_error, sites) => sites;
      return new Error("x").stack;
    });
    if (found.length > 0) throw new Failure(`reached ${found}`);
    return 4;
  },
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "none",
};
