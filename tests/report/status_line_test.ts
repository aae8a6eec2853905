import { assertEquals, assertStringIncludes } from "@std/assert";
import { StatusLine } from "../../report/status_line.ts";

function recorder() {
  let drawn = "";
  const decoder = new TextDecoder();
  const lines: string[] = [];
  return {
    lines,
    drawn: () => drawn,
    options: {
      columns: 60,
      write: (line: string) => lines.push(line),
      writable: new WritableStream<Uint8Array>({
        write: (chunk) => {
          drawn += decoder.decode(chunk);
        },
      }),
    },
  };
}

Deno.test("without a terminal there is no bar, and sentences are plain lines", async () => {
  const { options, lines, drawn } = recorder();
  const status = new StatusLine({ ...options, bar: false });
  status.progress(1, 2, "needle-000 reference");
  status.notice("a sentence");
  await status.stop();
  assertEquals([lines, drawn()], [["a sentence"], ""]);
});

Deno.test("the bar shows what is done, fits the terminal and clears its line for sentences", async () => {
  const { options, lines, drawn } = recorder();
  const status = new StatusLine({ ...options, bar: true });
  status.progress(1, 2, "needle-000 reference, a long name that does not fit");
  status.notice("a sentence");
  status.progress(2, 2, "done");
  await status.stop();
  assertEquals(lines, ["\r\x1b[Ka sentence"]);
  assertStringIncludes(drawn(), "00:00 [############------------] 1/2 needle-000");
  for (const line of drawn().split("\r\x1b[K")) assertEquals(line.length < 60, true, line);
  assertEquals(drawn().endsWith("\r\x1b[K"), true);
});

Deno.test("the bar says how long it still takes", async () => {
  const { options, drawn } = recorder();
  let now = 0;
  const status = new StatusLine({ ...options, bar: true, now: () => now });
  status.progress(0, 8, "first");
  now = 6;
  status.progress(2, 8, "third");
  // The bar is drawn again by its own clock.
  while (!drawn().includes("third")) await new Promise((resolve) => setTimeout(resolve, 20));
  await status.stop();
  assertStringIncludes(drawn(), "] 2/8 (18 s left) third");
});

Deno.test("how far it is may be told in other words", async () => {
  const { options, drawn } = recorder();
  const status = new StatusLine({ ...options, bar: true, count: (a, b) => `${a} of ${b} bytes` });
  status.progress(1, 2, "config.json");
  await status.stop();
  assertStringIncludes(drawn(), "] 1 of 2 bytes config.json");
});
