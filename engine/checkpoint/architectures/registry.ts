/**
 * The architectures that can be loaded.
 *
 * @module
 */
import type { Architecture } from "./architecture.ts";
import { llama } from "./llama.ts";
import { mistral } from "./mistral.ts";
import { qwen2 } from "./qwen2.ts";
import { qwen3 } from "./qwen3.ts";

/** Architectures by the `model_type` of a `config.json`. */
export const architectures = { llama, mistral, qwen2, qwen3 } as const satisfies Record<
  string,
  Architecture
>;

/** A `model_type` that can be loaded. */
export type ModelType = keyof typeof architectures;

/** All of them. */
export const modelTypes = Object.keys(architectures) as ModelType[];
