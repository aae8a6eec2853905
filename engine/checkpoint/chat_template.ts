/**
 * The chat template of a model, a Jinja text.
 *
 * @module
 */
import { Environment, Template } from "@huggingface/jinja";
import { UserError } from "../../errors.ts";
import { BoundedInterpreter } from "./bounded_interpreter.ts";
import { strftimeNow } from "./chat_date.ts";
import { isJsonObject, type JsonObject } from "./json_file.ts";

/** One turn of a conversation. */
export interface ChatMessage {
  /** Who speaks. */
  readonly role: "system" | "user" | "assistant";
  /** What is said. */
  readonly content: string;
}

/** Renders a conversation up to where the assistant's next turn starts. */
export type RenderChat = (messages: readonly ChatMessage[]) => string;

/**
 * The template of a model: `chat_template.jinja` before `tokenizer_config.json`, and of a list of
 * named templates the one called "default" (huggingface/transformers, "Chat templates").
 *
 * @param file text of a template that is kept apart, as in `chat_template.jinja`, when there is one
 * @param config contents of `tokenizer_config.json`
 * @param path of the model, for errors
 * @returns undefined when there is none, as base models have it
 * @throws {UserError} when it does not parse; the renderer throws one when it fails
 */
export function openChatTemplate(
  file: string | undefined,
  config: JsonObject,
  path: string,
): RenderChat | undefined {
  const text = file ?? templateText(config.chat_template);
  if (text === undefined) return undefined;
  const failed = (error: unknown) =>
    new UserError(
      `The chat template of ${path} failed: ${
        error instanceof RangeError
          ? `It nests or grows without end (${error.message})`
          : (error as Error).message.replace(/\.$/, "")
      }`,
    );
  let template: Template;
  try {
    template = new Template(text);
  } catch (error) {
    throw failed(error);
  }
  const tokens = specialTokens(config);
  return (messages) => {
    let rendered: string;
    try {
      rendered = render(template, { ...tokens, messages });
    } catch (error) {
      throw failed(error);
    }
    if (rendered.trim() !== "") return rendered;
    throw new UserError(
      `The chat template of ${path} renders ${
        JSON.stringify(rendered)
      } for a conversation; expected a text with its messages`,
    );
  };
}

/**
 * Renders with what huggingface/transformers gives a template (utils/chat_template_utils.py): neither
 * tools nor documents, and for the day of the run a fixed one.
 */
function render({ parsed }: Template, given: Readonly<Record<string, unknown>>): string {
  const environment = new Environment();
  const interpreter = new BoundedInterpreter(environment);
  const variables = {
    ...given,
    ...{ tools: null, documents: null, add_generation_prompt: true },
    ...{ true: true, True: true, false: false, False: false, none: null, None: null },
    strftime_now: strftimeNow,
    raise_exception: (message: unknown) => {
      // deno-lint-ignore error-law/visible -- the template's own sentence
      throw new UserError(String(message));
    },
    range: (...bounds: number[]) => range(interpreter, bounds),
  };
  for (const [name, value] of Object.entries(variables)) environment.set(name, value);
  return String(interpreter.run(parsed).value);
}

/** Python's `range`; its numbers are counted before they are made. */
function range(interpreter: BoundedInterpreter, bounds: readonly number[]): number[] {
  const [start, stop, step = 1] = bounds.length === 1 ? [0, bounds[0]!] : bounds;
  const count = Math.max(Math.ceil((stop! - start!) / step), 0);
  interpreter.charge(count);
  return Array.from({ length: count }, (_, i) => start! + i * step);
}

/** Attributes of a tokenizer that name special tokens (huggingface/transformers, tokenization_utils_base.py). */
const TOKEN_FIELDS = [
  ...["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"],
] as const;

/** Every special token that a configuration names, by the name that templates know it under. */
function specialTokens(config: JsonObject): Record<string, unknown> {
  const { extra_special_tokens: extra, additional_special_tokens: additional } = config;
  const named = [
    ...TOKEN_FIELDS.map((name): [string, unknown] => [name, config[name]]),
    ...(isJsonObject(extra) ? Object.entries(extra) : []),
  ].flatMap(([name, token]) => {
    const text = tokenText(token);
    return text === undefined ? [] : [[name, text] as const];
  });
  const list = [additional, extra].find((tokens) => Array.isArray(tokens));
  return {
    ...Object.fromEntries(named),
    ...(list === undefined ? {} : {
      additional_special_tokens: (list as unknown[]).map(tokenText)
        .filter((text) => text !== undefined),
    }),
  };
}

/**
 * What a model without a template is prompted with: the texts as they are, after what the tokenizer
 * puts before every text.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { plainTexts } from "./chat_template.ts";
 *
 * assertEquals(plainTexts("<s>")([{ role: "user", content: "Once upon" }]), "<s>Once upon");
 * ```
 */
export function plainTexts(opening: string): RenderChat {
  return (messages) => opening + messages.map(({ content }) => content).join("\n");
}

function templateText(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) return undefined;
  const named = value.find((entry) => isJsonObject(entry) && entry.name === "default");
  return typeof named?.template === "string" ? named.template : undefined;
}

/** Text of a token that a configuration names as a string or as an object with `content`. */
export function tokenText(value: unknown): string | undefined {
  const text = isJsonObject(value) ? value.content : value;
  return typeof text === "string" ? text : undefined;
}
