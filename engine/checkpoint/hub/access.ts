/**
 * How the hub is reached: the variables of huggingface_hub (`constants.py`, `utils/_auth.py`).
 *
 * @module
 */
import { join } from "node:path";
import { UserError } from "../../../errors.ts";
import { hubHome, processVariables, type Variables } from "./cache_folder.ts";

/** Variables that say how the hub is reached; only fetching reads them. */
export const ACCESS_VARIABLES = ["HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_TOKEN"] as const;

/** The hub itself. */
const HUB = "https://huggingface.co";

/** How the hub is reached. */
export interface HubAccess {
  /** URL without a slash at its end: of the hub, or of a mirror. */
  readonly endpoint: string;
  /** What proves who asks; it is sent to the endpoint's host and to no other. */
  readonly token?: string;
  /** Whether the user wants no request to be made. */
  readonly offline: boolean;
}

/**
 * How this user reaches the hub. The token is that of `HF_TOKEN`, else of the file that `hf auth login`
 * writes.
 *
 * @throws {UserError} for an endpoint that is no URL, or a token that cannot be one
 */
export async function hubAccess(variables: Variables = processVariables): Promise<HubAccess> {
  const token = cleanToken(variables("HF_TOKEN"), "HF_TOKEN") ?? await storedToken(variables);
  return {
    endpoint: endpointOf(variables("HF_ENDPOINT") || HUB),
    ...(token === undefined ? {} : { token }),
    offline: /^(1|on|yes|true)$/i.test(variables("HF_HUB_OFFLINE") ?? ""),
  };
}

function endpointOf(text: string): string {
  const url = URL.parse(text);
  const isPlain = url !== null && /^https?:$/.test(url.protocol) &&
    url.username + url.password + url.search + url.hash === "";
  if (isPlain) return text.replace(/\/+$/, "");
  throw new UserError(
    `HF_ENDPOINT is ${JSON.stringify(text)}; expected the URL of a hub, as in ${HUB}`,
  );
}

async function storedToken(variables: Variables): Promise<string | undefined> {
  const path = join(hubHome(variables), "token");
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    // A token that this process may not read is none: most models need none.
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw new UserError(`The token in ${path} cannot be read: ${(error as Error).message}`);
  }
  return cleanToken(text, path);
}

/** A token without the line break of its file. The message must not show it. */
function cleanToken(text: string | undefined, from: string): string | undefined {
  const token = text?.replaceAll(/[\r\n]/g, "").trim();
  if (token === undefined || token === "") return undefined;
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new UserError(`The token of ${from} has characters that no token has: log in again`);
}
