/** What can go wrong with an answer of the hub. */
import type { Fault } from "./fake_hub.ts";

/** Another status in its place. */
export function status(code: number, headers: Record<string, string> = {}): Fault {
  return () => new Response("{}", { status: code, headers });
}

/** The connection ends after some bytes of the body. */
export function cutAfter(count: number): Fault {
  return (good) =>
    withBody(good, async (bytes, controller) => {
      controller.enqueue(bytes.slice(0, count));
      // What was sent must have left before the connection ends.
      await new Promise((resolve) => setTimeout(resolve, 100));
      controller.error(new Error("cut"));
    });
}

/** The body comes in pieces, with a pause before each. */
export function slowly(pieces: number, ms: number): Fault {
  return (good) =>
    withBody(good, async (bytes, controller) => {
      const size = Math.ceil(bytes.length / pieces);
      for (let at = 0; at < bytes.length; at += size) {
        await new Promise((resolve) => setTimeout(resolve, ms));
        controller.enqueue(bytes.slice(at, at + size));
      }
      controller.close();
    });
}

/** Some bytes of the body come, and then nothing, until `end` is resolved. */
export function standsStillAfter(count: number, end: Promise<void>): Fault {
  return (good) =>
    withBody(good, async (bytes, controller) => {
      controller.enqueue(bytes.slice(0, count));
      await end;
      controller.error(new Error("ended"));
    });
}

/** One bit of the body is another. */
export function tampered(at: number): Fault {
  return (good) =>
    withBody(good, (bytes, controller) => {
      bytes[at]! ^= 1;
      controller.enqueue(bytes);
      controller.close();
    });
}

/** The answer, with a body made from the good one. */
function withBody(
  good: Response,
  send: (
    bytes: Uint8Array<ArrayBuffer>,
    controller: ReadableStreamDefaultController<Uint8Array>,
  ) => void | Promise<void>,
): Response {
  const { status, headers } = good;
  const body = new ReadableStream<Uint8Array>({
    start: async (controller) => {
      const bytes = await good.bytes();
      // The client may have gone away.
      await Promise.resolve(send(bytes, controller)).catch(() => {});
    },
  });
  return new Response(body, { status, headers });
}

/** There is one byte more. */
export const longer: Fault = (good) => {
  good.headers.delete("content-length");
  return withBody(good, (bytes, controller) => {
    controller.enqueue(bytes);
    controller.enqueue(new Uint8Array(1));
    controller.close();
  });
};

/** All of these bytes, whatever was asked for. */
export function wholeFile(bytes: Uint8Array): Fault {
  return () => new Response(new Uint8Array(bytes));
}

/** The address is another. */
export function redirect(code: number, location: string): (good: Response) => Response {
  return () => new Response(null, { status: code, headers: { location } });
}
