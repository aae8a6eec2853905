/**
 * A process of a quantizer in the tensor form: a Python interpreter of the user's.
 *
 * @module
 */
import type { CpuTensor } from "../../quant/tensor.ts";
import type { KvKind } from "../../quant/family.ts";
import type { BudgetState, RequestMeta } from "../../policies/policy.ts";
import { ChildLink } from "../../sandbox/child_link.ts";
import type { SandboxLimits } from "../../sandbox/limits.ts";
import { answerOf, spoilt } from "../../sandbox/reply_answer.ts";
import { RunTime } from "../../sandbox/run_time.ts";
import { SandboxError } from "../../sandbox/sandbox_error.ts";
import { shown } from "../../sandbox/shown.ts";
import { pythonProgram } from "../../policies/python/python_program.ts";
import { MOST_METHODS } from "../../policies/methods.ts";
import { methodsIn } from "../codec_methods.ts";
import { bytesOf } from "../bytes_of.ts";
import type { CodecRunner } from "../codec_process.ts";
import type { EndedTogether } from "../current_example.ts";
import tensorCodec from "./tensor_codec.py" with { type: "text" };
import tensorForm from "./tensor_form.py" with { type: "text" };

/** The class that a file has; the published task's name. */
export const TENSOR_CLASS = "AdaptiveKVQuantizer";

const REQUIRED = ["quantize_key", "quantize_value"] as const;
const PROGRAM = pythonProgram(tensorForm);
const CODEC_PROGRAM = pythonProgram(tensorForm, tensorCodec);
/** Widest entry that can be claimed: float32 as it is. */
const WIDEST = 32;
/** What an entry counts of which nothing is claimed, as that of a full-precision cache does. */
const UNCLAIMED = 16;
const REPLY_HEADER = 4;
const encoder = new TextEncoder();

type Floats = Float32Array<ArrayBuffer>;

/** How an interpreter is started. */
export interface TensorInterpreter {
  readonly executable: string;
  /** Starts it with a program, its standard streams piped. */
  start(program: string): Deno.ChildProcess;
}

/** A quantizer's text. */
export interface TensorSource {
  /** Name under which results are reported. */
  readonly name: string;
  readonly text: string;
}

/** What a quantizer says of itself. */
export interface TensorStarted {
  readonly missing?: string;
  /** Names of its methods. */
  readonly methods: readonly string[];
  /** Whether it also has encode and decode, so that its bits need not be claimed. */
  readonly encodes: boolean;
  /** Whether it looks at prompts. */
  readonly observes: boolean;
  /** Whether it does so before positions are turned in. */
  readonly preRope: boolean;
}

/** The cache of one layer and kind, whole. */
export interface TensorItem {
  readonly layer: number;
  readonly kind: KvKind;
  /** Tokens of the prompt that were prefilled. */
  readonly promptTokens: number;
  /** Tokens in the cache. */
  readonly tokens: number;
  readonly heads: number;
  readonly headDim: number;
  /** `[heads, tokens, headDim]`. */
  readonly data: Floats;
}

/** What became of an item. */
export interface TensorResult {
  /** `[heads, tokens, headDim]`. */
  readonly restored: Floats;
  /** Average bits of an entry that the quantizer claims. */
  readonly bits: number;
}

/** What a process is told first. */
function helloOf(
  { executable }: TensorInterpreter,
  { name, text }: TensorSource,
): { readonly source: string; readonly language: "py" } {
  const words = {
    class: TENSOR_CLASS,
    required: REQUIRED,
    lacking: ` in ${executable}`,
    mostMethods: MOST_METHODS,
  };
  return { source: JSON.stringify({ name, text, words }), language: "py" };
}

/** How a quantizer that encodes runs as a codec: an interpreter for each example and direction. */
export function codecRunner(interpreter: TensorInterpreter, source: TensorSource): CodecRunner {
  return {
    start: () => interpreter.start(CODEC_PROGRAM),
    hello: helloOf(interpreter, source),
    once: true,
  };
}

/** A process that holds a quantizer. */
export class TensorProcess implements EndedTogether {
  failed: unknown;
  readonly #time: RunTime;

  private constructor(
    private readonly link: ChildLink,
    private readonly limits: SandboxLimits,
  ) {
    this.#time = new RunTime(limits);
  }

  /**
   * Starts a process and loads the quantizer into it.
   *
   * @throws {SandboxError} when it cannot be loaded or exceeds a limit
   */
  static async open(
    interpreter: TensorInterpreter,
    { name, text }: TensorSource,
    limits: SandboxLimits,
  ): Promise<{ process: TensorProcess; started: TensorStarted }> {
    const link = new ChildLink(() => interpreter.start(PROGRAM), limits);
    try {
      const reply = await link.hello(helloOf(interpreter, { name, text }));
      const started = startedWith(answerOf(reply, "its list of methods", limits, "quantizer"));
      return { process: new TensorProcess(link, limits), started };
    } catch (error) {
      await link.close();
      throw error;
    }
  }

  /** Process id, for tests that look at the process from outside. */
  get pid(): number {
    return this.link.pid;
  }

  /** Begins an example. */
  async reset(request: RequestMeta, budget: BudgetState): Promise<void> {
    await this.#ask({ ask: "reset", request, budget }, [], "reset_request()");
  }

  /** Shows the prompt of a layer: queries, keys and values, `[heads, tokens, headDim]` each. */
  async observe(layer: number, tokens: number, [queries, keys, values]: Prompt): Promise<void> {
    const meta = { kv_heads: keys.heads, query_heads: queries.heads, head_dim: keys.headDim };
    const tensors = [queries.data, keys.data, values.data];
    const what = `observe_prefill_qkv(${layer})`;
    await this.#ask({ ask: "observe", layer, tokens, meta }, tensors, what);
  }

  /** Quantizes and restores caches. */
  async quantize(items: readonly TensorItem[]): Promise<TensorResult[]> {
    const asked = items.map(({ layer, kind, promptTokens, tokens, heads, headDim }) => [
      layer,
      kind,
      {
        layer_id: layer,
        kv_kind: kind,
        tokens,
        step: tokens - promptTokens,
        prompt_tokens: promptTokens,
        kv_heads: heads,
        head_dim: headDim,
      },
    ]);
    const what = `the restored tensors of ${items.length} layers and kinds`;
    const reply = await this.#ask(
      { ask: "quantize", items: asked },
      items.map(({ data }) => data),
      what,
    );
    const entries = items.reduce((sum, { data }) => sum + data.length, 0);
    if (reply.length !== REPLY_HEADER + 4 * (items.length + entries)) throw spoilt(what);
    const floats = new Float32Array(reply.slice(REPLY_HEADER).buffer);
    let at = items.length;
    return items.map(({ layer, kind, data }, i) => ({
      restored: floats.subarray(at, at += data.length),
      bits: claimed(floats[i]!, layer, kind),
    }));
  }

  /** Kills the process, if it runs still, and waits for its end. */
  close(): Promise<void> {
    return this.link.close();
  }

  async #ask(
    question: Readonly<Record<string, unknown>>,
    tensors: readonly Floats[],
    what: string,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const text = encoder.encode(JSON.stringify(question));
    const head = new Uint8Array(4 + text.length);
    new DataView(head.buffer).setUint32(0, text.length, true);
    head.set(text, 4);
    const parts = tensors.map(bytesOf);
    const reply = await this.#time.within(
      this.limits.stepMs,
      (ms) => this.link.askBytes([head, ...parts], ms, `No answer to ${what}`),
    );
    if (reply.length >= REPLY_HEADER && reply[0] === 0) return reply;
    answerOf(new TextDecoder().decode(reply), what, this.limits, "quantizer");
    return reply;
  }
}

/** Queries, keys and values of a prompt. */
export type Prompt = readonly [queries: CpuTensor, keys: CpuTensor, values: CpuTensor];

function claimed(bits: number, layer: number, kind: KvKind): number {
  if (Number.isNaN(bits)) return UNCLAIMED;
  if (bits >= 0 && bits <= WIDEST) return bits;
  throw new SandboxError(
    "rejected",
    `Of quantize_${kind}(${layer}) ${bits} bits are claimed; expected a number from 0 to ${WIDEST}`,
  );
}

const NOTHING_SAID = { encodes: false, observes: false, preRope: false };

function startedWith(value: unknown): TensorStarted {
  const started = Object(value) as Record<string, unknown>;
  const { missing, encodes, observes, position } = started;
  const methods = methodsIn(started);
  const lacks = REQUIRED.find((name) => name === missing);
  if (lacks !== undefined) return { missing: lacks, methods, ...NOTHING_SAID };
  if (position !== "pre_rope" && position !== "post_rope") {
    throw new SandboxError(
      "rejected",
      `query_observation_position() returned ${shown(position)}; ` +
        `expected "pre_rope" or "post_rope"`,
    );
  }
  return {
    methods,
    ...{ encodes: encodes === true, observes: observes === true },
    preRope: position === "pre_rope",
  };
}
