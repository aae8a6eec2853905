/**
 * The progress bar of `@std/cli/unstable-progress-bar`. Without the `links` line of deno.json the
 * real package takes its place.
 *
 * @module
 */

/** What a formatter is given at every update. */
export interface ProgressBarFormatter {
  /** Time since the start, `mm:ss`. */
  styledTime: string;
  /** `value/max` in bytes, with a unit. */
  styledData: (fractions?: number) => string;
  /** The bar itself. */
  progressBar: string;
  /** Milliseconds since the start, now and at the last update. */
  time: number;
  previousTime: number;
  value: number;
  previousValue: number;
  max: number;
}

/** How a bar looks and where it goes. */
export interface ProgressBarOptions {
  /** Default: stderr. */
  writable?: WritableStream<Uint8Array>;
  value?: number;
  max: number;
  /** Characters of the bar; default 50. */
  barLength?: number;
  fillChar?: string;
  emptyChar?: string;
  /** Whether the bar disappears when it stops. */
  clear?: boolean;
  /** Default: `[mm:ss] [###---] [0.24/97.66 KiB]`. */
  formatter?: (formatter: ProgressBarFormatter) => string;
  /** Whether `writable` stays open when the bar stops; default true. */
  keepOpen?: boolean;
  /** Milliseconds between updates; default 1000. */
  refreshMilliseconds?: number;
}

const CLEAR_LINE = "\r\x1b[K";
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** A bar that redraws itself on a timer; set `value`, then `stop()`. */
export class ProgressBar {
  value: number;
  max: number;
  readonly #options: ProgressBarOptions;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #start = Date.now();
  #previous = { time: 0, value: 0 };

  constructor(options: ProgressBarOptions) {
    this.#options = options;
    this.value = options.value ?? 0;
    this.max = options.max;
    this.#previous.value = this.value;
    this.#writer = (options.writable ?? Deno.stderr.writable).getWriter();
    this.#timer = setInterval(() => void this.#print(), options.refreshMilliseconds ?? 1000);
    void this.#print();
  }

  /** Draws the last state, or clears the line, and lets go of the stream. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#options.clear) await this.#write(CLEAR_LINE);
    else {
      await this.#print();
      await this.#write("\n");
    }
    if (this.#options.keepOpen ?? true) this.#writer.releaseLock();
    else await this.#writer.close().catch(() => {});
  }

  /** A terminal that went away must not end the run. */
  async #write(text: string): Promise<void> {
    await this.#writer.write(new TextEncoder().encode(text)).catch(() => {});
  }

  #print(): Promise<void> {
    const state = this.#state();
    this.#previous = { time: state.time, value: state.value };
    const format = this.#options.formatter ?? defaultFormatter;
    return this.#write(CLEAR_LINE + format(state));
  }

  #state(): ProgressBarFormatter {
    const { barLength = 50, fillChar = "#", emptyChar = "-" } = this.#options;
    const { value, max } = this;
    const time = Date.now() - this.#start;
    const filled = Math.trunc(Math.min(1, Math.max(0, value / max)) * barLength);
    const two = (n: number) => String(Math.trunc(n)).padStart(2, "0");
    return {
      styledTime: `${two(time / 60_000)}:${two(time / 1000 % 60)}`,
      styledData: (fractions = 2) => styledData(value, max, fractions),
      progressBar: fillChar.repeat(filled) + emptyChar.repeat(barLength - filled),
      time,
      previousTime: this.#previous.time,
      value,
      previousValue: this.#previous.value,
      max,
    };
  }
}

function defaultFormatter(state: ProgressBarFormatter): string {
  return `[${state.styledTime}] [${state.progressBar}] [${state.styledData()}]`;
}

function styledData(value: number, max: number, fractions: number): string {
  let unit = 0;
  while (unit < UNITS.length - 1 && max >= 1024 ** (unit + 1)) unit++;
  const scaled = (n: number) => (n / 1024 ** unit).toFixed(fractions);
  return `${scaled(value)}/${scaled(max)} ${UNITS[unit]}`;
}
