import { assertEquals } from "@std/assert";
import { SLATE_BYTES, slateSide } from "../../../policies/sandbox/slate.ts";

Deno.test("texts of any length pass between two threads and back", async () => {
  const memory = new SharedArrayBuffer(1024);
  const echo = new Worker(
    `data:application/javascript,${
      encodeURIComponent(`
        addEventListener("message", ({ data }) => {
          const slate = (${slateSide})(data, 1);
          postMessage("up");
          for (;;) slate.send(slate.receive().toUpperCase());
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
      const text = "añ🔑x".repeat(length / 5) + "y".repeat(length % 5);
      slate.send(text);
      assertEquals(slate.receive(), text.toUpperCase());
    }
  } finally {
    echo.terminate();
  }
});

Deno.test("waiting is interrupted now and then", () => {
  const memory = new SharedArrayBuffer(SLATE_BYTES);
  const mine = slateSide(memory, 0);
  mine.send("a question");
  const other = slateSide(memory, 1);
  let pauses = 0;
  const reply = mine.receive(() => {
    if (++pauses === 3) {
      other.receive();
      other.send("an answer");
    }
  });
  assertEquals([reply, pauses], ["an answer", 3]);
});
