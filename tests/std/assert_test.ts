import {
  assert,
  assertAlmostEquals,
  assertArrayIncludes,
  assertEquals,
  assertExists,
  assertFalse,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
  AssertionError,
  assertIsError,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertNotEquals,
  assertNotMatch,
  assertNotStrictEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
  fail,
} from "@std/assert";

const object = {};
const boom = () => {
  throw new RangeError("limit is 3");
};
const reject = () => Promise.reject(new RangeError("limit is 3"));

/** Name, a call that must pass, a call that must fail. */
const pairs: [name: string, pass: () => unknown, failing: () => unknown][] = [
  ["assert", () => assert(1), () => assert(0)],
  ["assertFalse", () => assertFalse(0), () => assertFalse(1)],
  ["assertEquals", () => assertEquals([{ a: 1 }], [{ a: 1 }]), () => assertEquals([1], [2])],
  [
    "assertEquals of typed arrays",
    () => assertEquals(new Float32Array([NaN, 1]), new Float32Array([NaN, 1])),
    () => assertEquals(new Float32Array([1]), new Float32Array([2])),
  ],
  [
    "assertEquals, a missing property",
    () => assertEquals({ a: undefined }, { a: undefined }),
    () => assertEquals<{ a?: undefined }>({ a: undefined }, {}),
  ],
  ["assertNotEquals", () => assertNotEquals([1], [2]), () => assertNotEquals([1], [1])],
  [
    "assertStrictEquals",
    () => assertStrictEquals(object, object),
    () => assertStrictEquals(object, {}),
  ],
  [
    "assertNotStrictEquals",
    () => assertNotStrictEquals(object, {}),
    () => assertNotStrictEquals(object, object),
  ],
  [
    "assertAlmostEquals",
    () => assertAlmostEquals(1, 1 + 1e-9),
    () => assertAlmostEquals(1, 1 + 1e-6),
  ],
  [
    "assertAlmostEquals with a tolerance",
    () => assertAlmostEquals(1, 1.1, 0.2),
    () => assertAlmostEquals(1, 1.1, 0.05),
  ],
  [
    "assertAlmostEquals of NaN",
    () => assertAlmostEquals(NaN, NaN),
    () => assertAlmostEquals(NaN, 1),
  ],
  ["assertGreater", () => assertGreater(2, 1), () => assertGreater(1, 1)],
  ["assertGreaterOrEqual", () => assertGreaterOrEqual(1, 1), () => assertGreaterOrEqual(0, 1)],
  ["assertLess", () => assertLess(1, 2), () => assertLess(1, 1)],
  ["assertLessOrEqual", () => assertLessOrEqual(1, 1), () => assertLessOrEqual(2, 1)],
  ["assertLess of NaN", () => assertLess(0, 1), () => assertLess(NaN, 1)],
  ["assertExists", () => assertExists(0), () => assertExists(null)],
  [
    "assertStringIncludes",
    () => assertStringIncludes("scale", "cal"),
    () => assertStringIncludes("scale", "zero"),
  ],
  ["assertMatch", () => assertMatch("k3", /^k\d$/), () => assertMatch("kk", /^k\d$/)],
  ["assertNotMatch", () => assertNotMatch("kk", /\d/), () => assertNotMatch("k3", /\d/)],
  [
    "assertArrayIncludes",
    () => assertArrayIncludes([1, [2]], [[2]]),
    () => assertArrayIncludes([1], [2]),
  ],
  [
    "assertInstanceOf",
    () => assertInstanceOf(new RangeError(), Error),
    () => assertInstanceOf("x", Error),
  ],
  [
    "assertIsError",
    () => assertIsError(new RangeError("a b"), RangeError, /a b/),
    () => assertIsError(new RangeError("a b"), RangeError, "c"),
  ],
  ["assertThrows", () => assertThrows(boom), () => assertThrows(() => 1)],
  [
    "assertThrows with a class",
    () => assertThrows(boom, RangeError),
    () => assertThrows(boom, TypeError),
  ],
  [
    "assertThrows with a text",
    () => assertThrows(boom, RangeError, "is 3"),
    () => assertThrows(boom, RangeError, "is 4"),
  ],
];

for (const [name, pass, failing] of pairs) {
  Deno.test(`${name} passes and fails`, () => {
    pass();
    let thrown: unknown;
    try {
      failing();
    } catch (error) {
      thrown = error;
    }
    if (!(thrown instanceof AssertionError)) throw new Error(`${name} accepted a wrong value`);
  });
}

Deno.test("assertThrows and assertRejects return the error", async () => {
  assertEquals(assertThrows(boom, RangeError).message, "limit is 3");
  assertEquals((await assertRejects(reject, RangeError, "limit")).message, "limit is 3");
});

Deno.test("assertRejects fails on a fulfilled promise, a wrong class and a synchronous throw", async () => {
  const failures = [
    () => assertRejects(() => Promise.resolve(1)),
    () => assertRejects(reject, TypeError),
    () => assertRejects(boom),
  ];
  for (const failure of failures) {
    const error = await failure().then(() => undefined, (e) => e);
    if (!(error instanceof AssertionError)) throw new Error("assertRejects accepted it");
  }
});

Deno.test("messages carry the reason given", () => {
  for (
    const failing of [
      () => assertEquals(1, 2, "why"),
      () => assertLess(2, 1, "why"),
      () => assertThrows(() => 1, "why"),
      () => fail("why"),
    ]
  ) assertThrows(failing, AssertionError, ": why");
});
