/**
 * From a guest's reply in text to its value, or to what went wrong in the guest.
 *
 * @module
 */
import { shown } from "./shown.ts";
import type { SandboxLimits } from "./limits.ts";
import { decodeReply, ReplyError } from "./reply_value.ts";
import { quoted, SandboxError } from "./sandbox_error.ts";

/**
 * The value of a reply.
 *
 * @param what was asked for
 * @param guest what the guest is called
 * @throws {SandboxError} for what went wrong in the guest
 */
export function answerOf(
  reply: string,
  what: string,
  limits: SandboxLimits,
  guest = "policy",
): unknown {
  const rest = reply.slice(1);
  if (reply[0] === "A") return decoded(rest, what);
  if (reply[0] === "T") {
    const [call, message] = texts(decoded(rest, what));
    if (message.includes(NO_IMPORT)) throw importing("something while it runs", guest);
    const did = OUR_OWN.test(message) ? message.replace(OUR_OWN, "") : `threw ${message}`;
    throw new SandboxError("rejected", `${quoted(call, 120)} ${quoted(did)}`);
  }
  if (reply[0] === "I") throw importing(shown(quoted(rest, 60)), guest);
  if (reply[0] === "L") {
    if (rest.includes(NO_IMPORT)) throw importing("something while it runs", guest);
    throw new SandboxError("rejected", `It cannot be loaded: ${quoted(rest)}`);
  }
  if (reply[0] === "B") {
    throw new SandboxError("rejected", `More than ${limits.messageBytes} bytes in ${what}`);
  }
  throw spoilt();
}

/** What is thrown for a reply that no guest's realm sends by itself. */
export function spoilt(what?: string): SandboxError {
  const to = what === undefined ? "" : ` to ${what}`;
  return new SandboxError("crashed", `Its process sent a reply${to} that means nothing`);
}

/** Two texts, whatever a realm that was spoilt has sent in their place. */
function texts(value: unknown): [string, string] {
  const [call, message] = Array.isArray(value) ? value : [];
  const text = (part: unknown) => typeof part === "string" ? part : "something";
  return [text(call), text(message)];
}

/** How an answer of the wrong kind is told by what asks the guest: the guest threw nothing. */
const OUR_OWN = /^TypeError: it (?=returned )/i;

/** How Deno refuses `import()` in a guest's realm. */
const NO_IMPORT = "A dynamic import callback was not specified";

function importing(what: string, guest: string): SandboxError {
  return new SandboxError(
    "rejected",
    `It imports ${what}; a ${guest} is one file, which imports types only`,
  );
}

function decoded(text: string, what: string): unknown {
  try {
    return decodeReply(text);
  } catch (error) {
    if (!(error instanceof ReplyError)) throw error;
    throw new SandboxError("rejected", `Cannot read ${what}: ${error.message}`);
  }
}
