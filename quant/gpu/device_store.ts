/**
 * What the stores of a device have in common: buffers under the names of their roles, the report of
 * input that is not finite, and reading both back.
 *
 * A store names its buffers and how large they are, or what they hold, and launches kernels with
 * `run`. That binds a role's buffer to the WGSL variable of the same name, and the report (`failure`
 * in `frame.wgsl`) to every kernel that can write one, and remembers that `settle` has to look at it.
 * Stores of one cache are looked after together (`Readbacks`). A store whose sizes only the device
 * knows has further words read on that occasion: it overrides `awaited` and `learn`.
 *
 * @module
 */
import type { BufferContents, ConstantBuffer, KvKind, StoredBuffer } from "../family.ts";
import { notFiniteError } from "../finite_input.ts";
import type { Bindings, Extent, Kernels } from "./kernels.ts";
import { Readbacks } from "./shared_readback.ts";
import { type WordRegion, type Words, Workbench } from "./workbench.ts";

const NO_FAILURE = 0xffffffff;

/** Whose input a store quantizes. */
export interface StoreOwner {
  readonly layer: number;
  readonly kind: KvKind;
  readonly tensor: { readonly heads: number };
  readonly shared: Map<string, unknown>;
}

/** See the module. `settle` throws on non-finite input. */
export class DeviceStore<Role extends string> {
  protected readonly bench: Workbench;
  /** The buffers by role. */
  protected readonly memory: Record<Role, GPUBuffer>;
  /** Tables that the store shares with others (`Workbench.shared`); bound by name like `memory`. */
  protected tables: Readonly<Record<string, GPUBuffer>> = {};
  /** Roles whose buffers hold what the model decides, and no tokens. */
  protected readonly constantRoles: readonly Role[] = [];
  /** Words that each buffer was asked to have; the buffer may be larger. */
  readonly #words: Readonly<Record<Role, number>>;
  readonly #owner: StoreOwner;
  /** Smallest place, token * heads + head, of a value that is not finite. */
  readonly #failure: GPUBuffer;
  readonly #readbacks: Readbacks;
  readonly #report = {
    regions: () => [{ buffer: this.#failure, at: 0, words: 1 }, ...this.awaited()],
    accept: (words: Uint32Array<ArrayBuffer>) => {
      this.#place = words[0]!;
      this.learn(words.subarray(1));
    },
  };
  /** Of a value that is not finite, as far as the device has been asked. */
  #place = NO_FAILURE;

  /** @param memory words of room of each buffer, which then holds zeros, or its contents */
  constructor(
    device: GPUDevice,
    owner: StoreOwner,
    memory: Readonly<Record<Role, number | Words>>,
  ) {
    this.bench = Workbench.of(device);
    this.#owner = owner;
    this.#readbacks = Readbacks.in(owner.shared);
    const roles = Object.entries<number | Words>(memory);
    this.memory = byRole(roles.map(([role, held]) => [role, this.bench.buffer(role, held)]));
    this.#words = byRole(
      roles.map(([role, held]) => [role, typeof held === "number" ? held : held.length]),
    );
    this.#failure = this.bench.buffer("failure", Uint32Array.of(NO_FAILURE));
  }

  /** Waits for what is only known after device work; throws on non-finite input. */
  async settle(): Promise<void> {
    this.catchUp();
    await this.#readbacks.settle(this.bench, this.#report);
    if (this.#place !== NO_FAILURE) throw this.notFinite(this.#place);
  }

  /** Tables, and what `constantRoles` names. */
  constants(): readonly ConstantBuffer[] {
    const own = this.constantRoles.map((role): [string, GPUBuffer] => [role, this.memory[role]]);
    return [...Object.entries(this.tables), ...own].map(([role, memory]) => ({ role, memory }));
  }

  /** Frees every buffer. */
  free(): void {
    this.#readbacks.drop(this.#report);
    this.bench.free(this.#failure, ...Object.values<GPUBuffer>(this.memory));
  }

  /** Launches a kernel; variables that are called like a role have the buffer of that role. */
  protected run(kernels: Kernels, entryPoint: string, over: Extent, bindings: Bindings): void {
    const held = { ...this.tables, ...this.memory, failure: this.#failure };
    const ran = kernels.run(entryPoint, over, bindings, held);
    if (ran && kernels.reaches(entryPoint, "failure")) this.#readbacks.await(this.#report);
  }

  /** Has the device do what was put off so far. */
  protected catchUp(): void {}

  /** Words that the store learns with the next report. */
  protected awaited(): readonly WordRegion[] {
    return [];
  }

  /** Is given the awaited words. Must not throw. */
  protected learn(_words: Uint32Array<ArrayBuffer>): void {}

  /** The error for a value that is not finite. */
  protected notFinite(place: number): Error {
    const { heads } = this.#owner.tensor;
    return notFiniteError(this.#owner, place % heads, Math.floor(place / heads));
  }

  /** Whole buffers, room for tokens still to come included. */
  protected whole(...roles: readonly Role[]): Promise<BufferContents[]> {
    return this.used(roles.map((role) => ({ role, bytes: 4 * this.#words[role] })));
  }

  /**
   * The part of each buffer that is in use.
   *
   * @param elsewhere buffers of roles that are not in `memory`
   */
  protected async used(
    declared: readonly StoredBuffer[],
    elsewhere: Readonly<Record<string, GPUBuffer>> = {},
  ): Promise<BufferContents[]> {
    const buffers: Readonly<Record<string, GPUBuffer>> = { ...this.memory, ...elsewhere };
    const regions = declared.map(({ role, bytes }) => ({
      buffer: buffers[role]!,
      at: 0,
      words: Math.ceil(bytes / 4),
    }));
    const words = await this.bench.read(regions);
    let at = 0;
    return declared.map(({ role }, i) => ({
      role,
      words: words.slice(at, at += regions[i]!.words),
    }));
  }
}

function byRole<Role extends string, T>(entries: readonly [string, T][]): Record<Role, T> {
  return Object.fromEntries(entries) as Record<Role, T>;
}
