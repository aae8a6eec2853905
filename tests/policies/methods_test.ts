/** Methods that nothing asks for are named, with the hook that was meant; helpers are left alone. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { editDistance } from "../../policies/edit_distance.ts";
import { PolicyError } from "../../policies/check.ts";
import { InProcessHost } from "../../policies/host.ts";
import { methodsOf, MOST_METHODS, unaskedMethods } from "../../policies/methods.ts";
import type { Policy } from "../../policies/policy.ts";
import { hostBuiltin, policyNames } from "../../policies/registry.ts";
import { type HookMethods, hookNames, type OptionalHook } from "../../quant/hooks.ts";

const plain = {
  choose_bits: () => 2,
  choose_axis: () => "token" as const,
  residual_length: () => 0,
  calibration_mode: () => "none" as const,
};

const remarksOn = (policy: object) => new InProcessHost("mine", policy as Policy).remarks;

Deno.test("a method that looks like a hook is told with the hook", () => {
  assertEquals(remarksOn({ ...plain, group_sizes: () => 32, clipRatio: () => 1 }), [
    'its method "group_sizes" is no hook; did you mean group_size?',
    'its method "clipRatio" is no hook; did you mean clip_ratio?',
  ]);
  for (const nothing of [null, undefined, 7]) {
    assertThrows(
      () => new InProcessHost("mine", nothing as unknown as Policy),
      PolicyError,
      'Policy "mine" has no method choose_bits',
    );
  }
  assertThrows(
    () => {
      const { choose_bits, ...rest } = plain;
      return new InProcessHost("mine", { ...rest, choose_bit: choose_bits } as unknown as Policy);
    },
    Error,
    'Policy "mine" has no method choose_bits; it has "choose_bit"',
  );
});

Deno.test("other methods are named in one breath, and what is marked as a helper is not", () => {
  class Base {
    inherited() {}
  }
  class Mine extends Base {
    width = 2;
    arrow = () => this.width;
    #hidden() {
      return this.width;
    }
    _half() {
      return this.#hidden();
    }
    get never(): number {
      throw new Error("a getter must not run");
    }
    choose_bits() {
      return 2;
    }
    choose_axis() {
      return "token";
    }
    residual_length() {
      return 0;
    }
    calibration_mode() {
      return "none";
    }
    // It has the hook that this name is near to, so that a helper is meant.
    group_size() {
      return 32;
    }
    group_sizes() {
      return [32];
    }
  }
  assertEquals(remarksOn(new Mine()), [
    'nothing asks for its methods "arrow", "group_sizes", "inherited"; a name that begins with _ ' +
    "marks a helper",
  ]);
  assertEquals(remarksOn(plain), []);
  assertEquals(methodsOf(Object.assign(Object.create(null), plain), 100).length, 4);
});

Deno.test("no built-in policy has a method that nothing asks for", () => {
  for (const name of policyNames) assertEquals(hostBuiltin(name).remarks, [], name);
});

Deno.test("names of strangers are bounded and quoted", () => {
  const forged = "x\nTEST_METRICS: slice=\u001b[2K";
  assertEquals(unaskedMethods([forged]), [
    'nothing asks for its method "x\\nTEST METRICS: slice=\\u001b[2K"; a name that begins with _ ' +
    "marks a helper",
  ]);
  const many = Object.fromEntries(
    Array.from({ length: 1000 }, (_, i) => [`${"y".repeat(500)}${i}`, () => i]),
  );
  const names = methodsOf(many, MOST_METHODS);
  assert(names.length <= MOST_METHODS && names.every((name) => name.length <= MOST_METHODS));
  const alike = Array.from({ length: 100 }, (_, i) => `group_size${i}`);
  const told = unaskedMethods(alike).join("\n");
  assert(told.length < 1000, `${told.length} letters`);
});

Deno.test("every hook stands in the interface of a policy, with words", async () => {
  // The compiler holds the methods against the table: the interface extends its type.
  const methods: Required<Pick<Policy, OptionalHook>> extends HookMethods ? true : never = true;
  assert(methods);
  const text = await Deno.readTextFile(new URL("../../policies/policy.ts", import.meta.url));
  for (const hook of hookNames) assert(text.includes(`*/\n  ${hook}(`), hook);
});

Deno.test("edit distance is a metric that counts single letters", () => {
  const word = fc.string({ maxLength: 8, unit: fc.constantFrom("a", "b", "_") });
  fc.assert(fc.property(word, word, word, (a, b, c) => {
    assertEquals(editDistance(a, b), editDistance(b, a));
    assert((editDistance(a, b) === 0) === (a === b));
    assert(editDistance(a, c) <= editDistance(a, b) + editDistance(b, c));
    assert(editDistance(a, b) >= Math.abs(a.length - b.length));
  }));
  fc.assert(fc.property(word, fc.nat(), (a, at) => {
    const i = at % (a.length + 1);
    assertEquals(editDistance(a, `${a.slice(0, i)}x${a.slice(i)}`), 1);
  }));
  assertEquals(editDistance("kitten", "sitting"), 3);
});
