import { assertEquals, assertThrows } from "@std/assert";
import { SLATE_BYTES, slateSide } from "../../sandbox/slate.ts";

Deno.test("bytes of any length pass between two threads and back", async () => {
  const memory = new SharedArrayBuffer(1024);
  const echo = new Worker(
    `data:application/javascript,${
      encodeURIComponent(`
        addEventListener("message", ({ data }) => {
          const slate = (${slateSide})(data, 1);
          postMessage("up");
          for (;;) slate.send(slate.receive().map((byte) => byte + 1));
        });`)
    }`,
    { type: "module" },
  );
  try {
    await new Promise((resolve) => {
      echo.addEventListener("message", resolve);
      echo.postMessage(memory);
    });
    const slate = slateSide(memory, 0);
    for (const length of [0, 1, 959, 960, 961, 1920, 10_000]) {
      const bytes = Uint8Array.from({ length }, (_, i) => i);
      slate.send(bytes);
      assertEquals(slate.receive(), bytes.map((byte) => byte + 1));
    }
  } finally {
    echo.terminate();
  }
});

Deno.test("bytes go where there is room for them, and are taken whole where there is none", () => {
  const memory = new SharedArrayBuffer(SLATE_BYTES);
  const [mine, other] = [slateSide(memory, 0), slateSide(memory, 1)];
  mine.send(Uint8Array.of(7, 8));
  const place = new Uint8Array(4);
  assertEquals([other.peek(), other.receive(undefined, () => place)], [7, place]);
  assertEquals(place, Uint8Array.of(7, 8, 0, 0));
  other.send(Uint8Array.of(9));
  assertThrows(() => mine.receive(undefined, () => new Uint8Array(0)), RangeError);
  mine.send(Uint8Array.of(5));
  assertEquals(other.receive(), Uint8Array.of(5));
});

Deno.test("waiting is interrupted now and then", () => {
  const memory = new SharedArrayBuffer(SLATE_BYTES);
  const mine = slateSide(memory, 0);
  mine.send(Uint8Array.of(1));
  const other = slateSide(memory, 1);
  let pauses = 0;
  const reply = mine.receive(() => {
    if (++pauses === 3) {
      other.receive();
      other.send(Uint8Array.of(2, 3));
    }
  });
  assertEquals([reply, pauses], [Uint8Array.of(2, 3), 3]);
});
