/** A reader that goes wrong in every way. */
import type { Outcome, Task } from "./reading_worker.ts";

// deno-lint-ignore no-explicit-any -- there are no types of workers here
const thread = globalThis as any;

thread.onmessage = ({ data: { bytes } }: MessageEvent<Task>) => {
  const how = new URL(import.meta.url).search.slice(1);
  const outcome = (): Outcome => {
    // A valid file is longer.
    if (bytes.length > 150) return { value: true };
    if (how === "throws") return { wrong: "TypeError: undefined is not a function" };
    if (how === "hangs") {
      // Not for ever: nothing ends a thread that loops, and every test after this one would be slower.
      const end = performance.now() + 2500;
      while (performance.now() < end);
    }
    if (how === "stops") return { sentence: "A sentence with a full stop." };
    return { sentence: "A width is 2 or 4, not 3" };
  };
  thread.postMessage(outcome());
};

thread.postMessage("ready");
