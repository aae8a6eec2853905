/**
 * The wording of LongBench's prompts, which is its authors': brought from their repository at one
 * commit, and found where it was put.
 *
 * @module
 */
import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { UserError } from "../../errors.ts";
import { jsonText } from "../../benchmarks/json_line.ts";
import { LONGBENCH_REPO } from "../../benchmarks/suites/longbench.ts";
import { hubHome } from "../../engine/checkpoint/hub/cache_folder.ts";
import type { HubAccess } from "../../engine/checkpoint/hub/access.ts";
import { HubClient, type Patience } from "../../engine/checkpoint/hub/hub_client.ts";

/** Commit of THUDM/LongBench on GitHub. */
export const WORDING_COMMIT = "2e00731f8d0bff23dc4325161044d0ed8af94c1e";

/** SHA-256 of LongBench/config/dataset2prompt.json there. */
const WORDING_SHA256 = "56d22ad4f382169c2b8a11ff4c982a4a1bea096c8152b0f0b85b64686b157c30";

/** Where GitHub has the files of repositories. */
const GITHUB = "https://raw.githubusercontent.com";

/** A template by the name of its set, with `{context}` and `{input}`. */
export type Wording = Readonly<Record<string, string>>;

/** Where the wording is kept, beside the hub's cache. */
export function wordingPlace(home: string = hubHome()): string {
  return join(home, "kvreplay", "longbench", WORDING_COMMIT, "dataset2prompt.json");
}

/** How the wording is fetched. */
export interface WordingOptions {
  readonly access: HubAccess;
  /** File to write. */
  readonly place: string;
  /** URL that stands for GitHub's, and the hash of what is there, in tests. */
  readonly github?: string;
  readonly sha256?: string;
  readonly patience?: Patience;
  readonly notice?: (sentence: string) => void;
}

/**
 * Brings the wording, unless it is there.
 *
 * @returns bytes that came
 * @throws {UserError} when it does not come, or is not what it was
 */
export async function fetchWording(options: WordingOptions): Promise<number> {
  const { access, place, github = GITHUB, sha256 = WORDING_SHA256 } = options;
  const { patience, notice } = options;
  if (await wordingAt(place, sha256) !== undefined) return 0;
  if (access.offline) {
    throw new UserError(
      `The wording of LongBench's prompts is not at ${place}; HF_HUB_OFFLINE is set: unset it`,
    );
  }
  const client = new HubClient({
    repo: { type: "dataset", name: LONGBENCH_REPO },
    asked: "longbench",
    access,
    ...(patience === undefined ? {} : { patience }),
    ...(notice === undefined ? {} : { notice }),
  });
  const url = `${github}/${LONGBENCH_REPO}/${WORDING_COMMIT}/LongBench/config/dataset2prompt.json`;
  const bytes = new Uint8Array(await (await client.fetch(url)).arrayBuffer());
  const got = hashOf(bytes);
  if (got !== sha256) throw new UserError(`${url} has SHA-256 ${got}; expected ${sha256}`);
  const folder = dirname(place);
  await Deno.mkdir(folder, { recursive: true });
  const temporary = await Deno.makeTempFile({ dir: folder, suffix: ".tmp" });
  await Deno.writeFile(temporary, bytes);
  await Deno.rename(temporary, place);
  return bytes.length;
}

/** The wording that was fetched; undefined where it was not, or is damaged. */
export async function wordingAt(
  place: string,
  sha256 = WORDING_SHA256,
): Promise<Wording | undefined> {
  const bytes = await Deno.readFile(place).catch(() => undefined);
  if (bytes === undefined || hashOf(bytes) !== sha256) return undefined;
  return templatesIn(bytes, place);
}

/**
 * Wording from a file of the user's, in the same form.
 *
 * @throws {UserError} naming the file and what is wrong
 */
export async function readWording(path: string): Promise<Wording> {
  let bytes: Uint8Array;
  try {
    bytes = await Deno.readFile(path);
  } catch (error) {
    throw new UserError(`Cannot read the prompts ${path}: ${(error as Error).message}`);
  }
  if (!isUtf8(bytes)) throw new UserError(`${path} is not UTF-8 text`);
  return templatesIn(bytes, path);
}

function templatesIn(bytes: Uint8Array, path: string): Wording {
  const templates = jsonText(new TextDecoder().decode(bytes), path);
  const isWording = typeof templates === "object" && templates !== null &&
    Object.values(templates).every((text) => typeof text === "string");
  if (isWording && !Array.isArray(templates) && Object.keys(templates).length > 0) {
    checkFields(templates as Wording, path);
    return templates as Wording;
  }
  throw new UserError(
    `${path} holds no prompts; expected a JSON object with a template for each set, such as ` +
      `{"qasper": "… {context} … {input} …"}`,
  );
}

/** As in the authors' code, where a template is formatted with the fields of its row. */
function checkFields(wording: Wording, path: string): void {
  for (const [set, template] of Object.entries(wording)) {
    const fields = [...template.matchAll(/\{(\w+)\}/g)].map(([, field]) => field!);
    const unknown = fields.find((field) => field !== "context" && field !== "input");
    if (unknown === undefined && fields.length > 0) continue;
    throw new UserError(
      `${path} has ${
        unknown === undefined ? "no field" : `{${unknown}}`
      } in the prompt of ${set}; ` +
        `expected {context} and {input}, where the row's text belongs`,
    );
  }
}

function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
