/**
 * The chat template of a model, a Jinja text.
 *
 * @module
 */
import { Template } from "@huggingface/jinja";
import { UserError } from "../../errors.ts";
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
    new UserError(`The chat template of ${path} failed: ${(error as Error).message}`);
  let template: Template;
  try {
    template = new Template(text);
  } catch (error) {
    throw failed(error);
  }
  const tokens = { bos_token: tokenText(config.bos_token), eos_token: tokenText(config.eos_token) };
  return (messages) => {
    try {
      return template.render({ ...tokens, messages, add_generation_prompt: true });
    } catch (error) {
      throw failed(error);
    }
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
