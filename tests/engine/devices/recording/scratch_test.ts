/** Scratch memory is shared by number, and goes when nobody needs it. */
import { assertEquals, assertStrictEquals } from "@std/assert";
import { Scratch } from "../../../../engine/devices/recording/scratch.ts";
import { gpuTest } from "../../../quant/backends.ts";

gpuTest(
  "buffers are one a size and number, and those behind the last that is used are freed",
  (device) => {
    const scratch = new Scratch(device);
    const [a, b, c] = [0, 1, 2].map((number) => scratch.buffer(64, number));
    const other = scratch.buffer(128, 0);
    assertEquals(new Set([a, b, c, other]).size, 4);
    assertStrictEquals(scratch.buffer(64, 1), b);
    scratch.keep(new Set([b!]));
    assertStrictEquals(scratch.buffer(64, 0), a);
    assertStrictEquals(scratch.buffer(64, 1), b);
    assertEquals(scratch.buffer(64, 2) === c, false);
    assertEquals(scratch.buffer(128, 0) === other, false);
    scratch.free();
  },
);
