/**
 * Families that a caller brings. They run beside those of this project, so what they throw, and what
 * they return that is not what the interface says, ends in one sentence that names family and method.
 * What no look at a return value shows, such as sizes that are well formed and wrong, an audit shows.
 *
 * @module
 */
import type { Calibration, KeptSamples, Noise } from "./calibration.ts";
import type {
  BufferContents,
  ConstantBuffer,
  Family,
  Settings,
  Store,
  StoredBuffer,
} from "./family.ts";
import { InternalError, UserError } from "../errors.ts";
import { QuantizerError } from "./quantizer_error.ts";
import type { KvShape, TokenRange } from "./tensor.ts";

const METHODS = ["resolve", "needs", "quantizedRange", "openCpu"] as const satisfies readonly (
  keyof Family
)[];

/** Runs a method of the family. */
type Asked = <V>(method: string, work: () => V) => V;

/**
 * The family, with everything that it throws or returns looked at.
 *
 * @throws {QuantizerError} for an object that is no family
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { uniform } from "./families/uniform/uniform.ts";
 * import { ownFamily } from "./own_family.ts";
 *
 * const mine = ownFamily({ ...uniform, name: "mine", quantizedRange: (_, n) => ({ from: 0, to: n + 1 }) });
 * assertThrows(
 *   () => mine.quantizedRange({} as never, 7),
 *   Error,
 *   'Family "mine": quantizedRange gave {"from":0,"to":8}; expected a range within 7 tokens',
 * );
 * ```
 */
export function ownFamily(family: Family): Family {
  checkDeclared(family);
  const { name, calibrate, learnsBy, fit, noise, statistics, couplesLayers, couplesKinds } = family;
  const threw = (method: string, error: unknown) => {
    if (error instanceof UserError || error instanceof InternalError) return error;
    const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return new QuantizerError(`Family "${name}": ${method} threw ${what}`, { cause: error });
  };
  const ask: Asked = (method, work) => {
    try {
      return work();
    } catch (error) {
      throw threw(method, error);
    }
  };
  const range = (method: string, given: TokenRange, n: number): TokenRange => {
    const { from, to } = given ?? {};
    if (Number.isInteger(from) && Number.isInteger(to) && 0 <= from && from <= to && to <= n) {
      return given;
    }
    throw wrong(name, method, given, `a range within ${n} tokens, {"from": 0, "to": ${n}} at most`);
  };
  const opened = <T extends KvShape>(store: Store<T>): Store<T> => {
    if (Object(store) !== store) throw wrong(name, "the opened store", store, "a store");
    return new OwnStore(store, name, ask, range);
  };
  return {
    ...family,
    resolve: (answers, shape) => {
      const settings = ask("resolve", () => family.resolve(answers, shape));
      return checkedSettings(name, settings, answers);
    },
    needs: (settings) => {
      const needs = ask("needs", () => family.needs(settings));
      if (Object(needs) !== needs) throw wrong(name, "needs", needs, "an object, {} for nothing");
      return needs;
    },
    quantizedRange: (settings, n) =>
      range("quantizedRange", ask("quantizedRange", () => family.quantizedRange(settings, n)), n),
    ...(calibrate === undefined ? {} : {
      calibrate: (samples: KeptSamples, settings: Settings) =>
        ask("calibrate", () => calibrate.call(family, samples, settings)),
    }),
    ...(learnsBy === undefined ? {} : {
      learnsBy: (settings: Settings) => ask("learnsBy", () => learnsBy.call(family, settings)),
    }),
    ...(fit === undefined ? {} : {
      fit: (learned: Calibration, settings: Settings) =>
        ask("fit", () => fit.call(family, learned, settings)),
    }),
    ...(noise === undefined ? {} : {
      noise: (samples: KeptSamples) => {
        const given = ask("noise", () => noise.call(family, samples));
        if (typeof given?.draw !== "function" || typeof given.lost !== "function") {
          throw wrong(name, "noise", given, "an object with draw and lost");
        }
        return {
          draw: (...args: Parameters<Noise["draw"]>) => ask("noise", () => given.draw(...args)),
          lost: (...args: Parameters<Noise["lost"]>) => ask("noise", () => given.lost(...args)),
        };
      },
    }),
    ...(statistics === undefined ? {} : {
      async statistics(...given: Parameters<typeof statistics>) {
        try {
          return await statistics.apply(family, given);
        } catch (error) {
          throw threw("statistics", error);
        }
      },
    }),
    ...(couplesLayers === undefined ? {} : {
      couplesLayers: (settings: Settings) =>
        ask("couplesLayers", () => couplesLayers.call(family, settings)) === true,
    }),
    ...(couplesKinds === undefined ? {} : {
      couplesKinds: (settings: Settings) =>
        ask("couplesKinds", () => couplesKinds.call(family, settings)) === true,
    }),
    openCpu: (source, settings, tokens) =>
      opened(ask("openCpu", () => family.openCpu(source, settings, tokens))),
    openGpu: (device, source, settings, tokens) => {
      if (typeof family.openGpu !== "function") {
        throw new QuantizerError(
          `Family "${name}" has no openGpu, so it cannot quantize on a GPU; use cpu memory`,
        );
      }
      return opened(ask("openGpu", () => family.openGpu(device, source, settings, tokens)));
    },
  };
}

/** A store of such a family. */
class OwnStore<T extends KvShape> implements Store<T> {
  readonly carriesState: boolean;
  readonly sizesNeedSettle: boolean;
  #tokens = 0;

  constructor(
    private readonly store: Store<T>,
    private readonly family: string,
    private readonly ask: Asked,
    private readonly range: (method: string, given: TokenRange, n: number) => TokenRange,
  ) {
    this.carriesState = store.carriesState === true;
    this.sizesNeedSettle = store.sizesNeedSettle === true;
  }

  get quantized(): TokenRange {
    return this.range("quantized", this.ask("quantized", () => this.store.quantized), this.#tokens);
  }

  rewrites(n: number): boolean {
    return this.ask("rewrites", () => this.store.rewrites(n));
  }

  grow(n: number): void {
    this.ask("grow", () => this.store.grow(n));
    this.#tokens = n;
  }

  restore(target: T): void {
    this.ask("restore", () => this.store.restore(target));
  }

  async settle(): Promise<void> {
    try {
      await this.store.settle();
    } catch (error) {
      this.ask("settle", () => {
        throw error;
      });
    }
  }

  buffers(n: number): readonly StoredBuffer[] {
    const buffers = this.ask("buffers", () => this.store.buffers(n));
    const isCount = (value: number) => Number.isFinite(value) && value >= 0;
    const fits = Array.isArray(buffers) &&
      buffers.every((buffer: StoredBuffer | null) =>
        typeof buffer?.role === "string" && Number.isInteger(buffer.bytes) && buffer.bytes >= 0 &&
        (buffer.bits ?? []).every(isCount) && (buffer.codes ?? []).every(isCount) &&
        buffer.bits?.length === buffer.codes?.length
      );
    if (!fits) {
      const want = "buffers with a role, whole bytes and, of codes, as many bits as codes";
      throw wrong(this.family, "buffers", buffers, want);
    }
    return buffers;
  }

  async contents(): Promise<readonly BufferContents[]> {
    const contents = await this.ask("contents", () => this.store.contents());
    const fits = Array.isArray(contents) &&
      contents.every((held: BufferContents | null) =>
        typeof held?.role === "string" && held.words instanceof Uint32Array
      );
    if (!fits) {
      throw wrong(
        this.family,
        "contents",
        contents,
        "a role and Uint32Array words each",
      );
    }
    return contents;
  }

  constants(): readonly ConstantBuffer[] {
    const constants = this.ask("constants", () => this.store.constants?.() ?? []);
    const isMemory = (memory: unknown) =>
      ArrayBuffer.isView(memory) ||
      typeof (memory as { readonly size?: unknown } | null)?.size === "number";
    const fits = Array.isArray(constants) &&
      constants.every((held: ConstantBuffer | null) =>
        typeof held?.role === "string" && isMemory(held.memory)
      );
    if (!fits) throw wrong(this.family, "constants", constants, "a role and memory each");
    return constants;
  }

  free(): void {
    this.ask("free", () => this.store.free());
  }
}

/** What the interface has as data, and that the methods are there. */
function checkDeclared(family: Family): void {
  if (Object(family) !== family) {
    throw new QuantizerError(`A quantizer family is ${family}; expected a name or an object`);
  }
  const { name, widths } = family;
  if (typeof name !== "string" || !/^[A-Za-z]\w{0,63}$/.test(name)) {
    throw new QuantizerError(
      `A quantizer family is called ${text(name)}; a name has letters, ` +
        `digits and underscores, and begins with a letter`,
    );
  }
  const areWidths = Array.isArray(widths) && widths.length > 0 &&
    widths.every((width) => Number.isInteger(width) && width >= 1 && width <= 16);
  if (!areWidths) throw wrong(name, "widths", widths, "code widths from 1 to 16");
  const missing = METHODS.find((method) => typeof family[method] !== "function");
  if (missing !== undefined) throw wrong(name, missing, family[missing], "a method");
}

/** What a resolved plan is kept and compared by must be there, and be data. */
function checkedSettings(
  name: string,
  settings: Settings,
  { layer, kind, bits }: Pick<Settings, "layer" | "kind" | "bits">,
): Settings {
  const isFor = settings?.family === name && settings.layer === layer && settings.kind === kind;
  const widths = isFor && Array.isArray(settings.bits) && settings.bits.length === bits.length &&
    settings.bits.every(Number.isFinite);
  if (!widths) {
    const want = `settings with family "${name}", the layer and kind that were asked about, and ` +
      `${bits.length} bits`;
    throw wrong(name, "resolve", settings, want);
  }
  try {
    JSON.stringify(settings);
  } catch (error) {
    throw new QuantizerError(
      `Family "${name}": resolve gave settings that JSON cannot hold: ${(error as Error).message}`,
    );
  }
  return settings;
}

function wrong(family: string, what: string, value: unknown, want: string): QuantizerError {
  return new QuantizerError(`Family "${family}": ${what} gave ${text(value)}; expected ${want}`);
}

/** A value, as a sentence may quote it. */
function text(value: unknown): string {
  try {
    return (JSON.stringify(value) ?? String(value)).slice(0, 120);
  } catch {
    return `a ${typeof value} that JSON cannot hold`;
  }
}
