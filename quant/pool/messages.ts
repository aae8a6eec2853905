/**
 * What the threads of a pool say to each other.
 *
 * @module
 */
import type { Calibration } from "../calibration.ts";
import type { BufferContents, Settings, Source, StoredBuffer } from "../family.ts";
import type { KvShape, TokenRange } from "../tensor.ts";

/** A tensor in memory that all threads have. */
export interface SharedTensor extends KvShape {
  /** Tells it from others; a thread makes one object of a tensor, however often it is sent. */
  readonly id: number;
  readonly memory: SharedArrayBuffer;
}

/** What a store is opened on. */
export type SharedSource =
  & Pick<Source<SharedTensor>, "layer" | "kind" | "promptTokens" | "tensor">
  & Pick<Source<SharedTensor>, "preRope" | "rope" | "queries" | "keys">;

/** Sources of all layers of one kind, of which each store may read any: they are on one thread. */
export interface SharedSiblings {
  readonly id: number;
  readonly sources: readonly SharedSource[];
}

/** What was learned; the arrays are sent once. */
export interface SentCalibration {
  readonly id: number;
  readonly arrays?: Calibration;
}

/** What a thread is asked to do. Those that say so are answered, in the order in which they came. */
export type Request =
  | {
    /** The number under which the store is known from then on. */
    readonly open: number;
    readonly source: SharedSource;
    /** Where the family couples layers. */
    readonly siblings?: SharedSiblings;
    readonly settings: Settings;
    readonly calibration?: SentCalibration;
    readonly tokens: number;
  }
  /** Answered by `Grown`. */
  | { readonly grow: number; readonly n: number }
  /** Answered by `StoredBuffer[]`: of a store that is coupled. */
  | { readonly buffers: number; readonly n: number }
  /** Writes what is quantized into `into`, tokens where they are in the source; the answer has no value. */
  | { readonly restore: number; readonly into: SharedArrayBuffer; readonly room: number }
  /** Answered by `BufferContents[]`. */
  | { readonly contents: number }
  | { readonly free: number }
  /** Tensors and calibrations that nobody asks for any more. */
  | { readonly forget: number };

/** What is told of a store that has grown. */
export interface Grown {
  readonly quantized: TokenRange;
  /** Absent of a store that is coupled: sizes of streams may take longer than all the rest. */
  readonly buffers?: readonly StoredBuffer[];
  /** The first length at which it would rewrite what it has; absent where there is none. */
  readonly rewritesAt?: number;
}

/** How a request ended. */
export type Answer =
  | { readonly value?: Grown | readonly StoredBuffer[] | readonly BufferContents[] }
  | { readonly name: string; readonly message: string };

/** The first message to a thread. */
export interface Begin {
  /** Two numbers: whether the thread is ready, and answers so far. */
  readonly state: SharedArrayBuffer;
  /** Where its answers go. */
  readonly answers: MessagePort;
}

/** Places in the state of a thread. */
export const READY = 0;
/** Counts answers. */
export const ANSWERED = 1;
