import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { ProgressBar } from "@std/cli/unstable-progress-bar";

function collector(): { writable: WritableStream<Uint8Array>; text(): string } {
  let text = "";
  const decoder = new TextDecoder();
  const writable = new WritableStream<Uint8Array>({
    write: (chunk) => {
      text += decoder.decode(chunk);
    },
  });
  return { writable, text: () => text };
}

Deno.test("a progress bar draws its state and ends its line", async () => {
  const { writable, text } = collector();
  const bar = new ProgressBar({ max: 4, barLength: 8, writable });
  bar.value = 2;
  await bar.stop();
  assertStringIncludes(text(), "[####----]");
  assertMatch(text(), /\[00:00\] \[#{4}-{4}\] \[2\.00\/4\.00 B\]\n$/);
  await writable.close();
});

Deno.test("a progress bar clears its line, uses its formatter and never overflows", async () => {
  const { writable, text } = collector();
  const bar = new ProgressBar({
    max: 2,
    value: 5,
    barLength: 3,
    clear: true,
    writable,
    keepOpen: false,
    formatter: (state) => `<${state.progressBar}> ${state.value} of ${state.max}`,
  });
  await bar.stop();
  assertEquals(text(), "\r\x1b[K<###> 5 of 2\r\x1b[K");
});

Deno.test("a progress bar outlives its terminal", async () => {
  const writable = new WritableStream<Uint8Array>({
    write: () => Promise.reject(new Error("gone")),
  });
  const bar = new ProgressBar({ max: 1, writable });
  bar.value = 1;
  await bar.stop();
  assertEquals(bar.value, 1);
});
