/**
 * A process in the place of the sandbox's own, that speaks the protocol as badly as a test wants.
 */
import { denoFlags, type LaunchChild } from "../../sandbox/child.ts";
import { FRAME_KINDS, frameCodec } from "../../sandbox/frame.ts";

/**
 * Starts a process that loads any policy, and then runs `whenAsked` for every plan. Its text may
 * use `seq` (of the question), `nonce`, `plan` (the text of a right reply), `encode` of the codec with
 * a text for its body, `kinds`, and `write(bytes)`.
 *
 * @param started what it says of the policy's methods
 */
export function fakeChild(
  whenAsked: string,
  started: unknown = { hooks: [], calibrates: false, methods: [] },
): LaunchChild {
  const program = `
    const { encode: encodeBytes, reader } = (${frameCodec})();
    const encode = (kind, seq, nonce, text) =>
      encodeBytes(kind, seq, nonce, new TextEncoder().encode(text));
    const kinds = ${JSON.stringify(FRAME_KINDS)};
    const incoming = reader(undefined, 2 ** 31);
    const plan = "A" + JSON.stringify(Array.from({ length: 4 }, () => [[4, 4], "token", 0]));
    const nonce = new Uint8Array(16);
    const write = (bytes) => {
      for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
    };
    const whenAsked = async (seq) => { ${whenAsked} };
    for await (const bytes of Deno.stdin.readable) {
      for (const { kind, seq, body } of incoming.push(bytes)) {
        const text = new TextDecoder().decode(body);
        if (kind === kinds.hello) {
          nonce.set(JSON.parse(text).nonce.match(/../g).map((byte) => parseInt(byte, 16)));
          write(encode(kinds.reply, seq, nonce, ${JSON.stringify(`A${JSON.stringify(started)}`)}));
        } else if (text.startsWith('{"ask":"mode"')) {
          write(encode(kinds.reply, seq, nonce, 'A"none"'));
        } else {
          await whenAsked(seq);
        }
      }
    }
  `;
  return (limits) =>
    new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        ...denoFlags(limits),
        `data:application/javascript,${encodeURIComponent(program)}`,
      ],
      clearEnv: true,
      env: { DENO_DIR: "/dev/null/none", NO_COLOR: "1" },
      cwd: "/",
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
}
