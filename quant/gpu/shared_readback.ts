/**
 * Reading small results of many stores back from a GPU at once: a map per store would cost a round
 * trip each, and a cache has two stores per layer.
 *
 * @module
 */
import type { WordRegion, Workbench } from "./workbench.ts";

/** A store that waits for words from the device. */
export interface ReadbackClient {
  regions(): readonly WordRegion[];
  /** Is given the words of its regions, in order. Must not throw. */
  accept(words: Uint32Array<ArrayBuffer>): void;
}

/** The clients of one cache. */
export class Readbacks {
  readonly #waiting = new Set<ReadbackClient>();
  /** Clients whose words are on their way. */
  readonly #served = new Set<ReadbackClient>();
  #serving: Promise<void> = Promise.resolve();

  /** The one in a store's `Source.shared`; made when it is first asked for. */
  static in(shared: Map<string, unknown>): Readbacks {
    let own = shared.get("readbacks");
    if (!(own instanceof Readbacks)) shared.set("readbacks", own = new Readbacks());
    return own as Readbacks;
  }

  /** Notes that a client has work on the device whose results it needs. */
  await(client: ReadbackClient): void {
    this.#waiting.add(client);
  }

  /** Forgets a client that is going away. */
  drop(client: ReadbackClient): void {
    this.#waiting.delete(client);
    this.#served.delete(client);
  }

  /** Serves every client that waits, if `client` is one of them or is being served. */
  async settle(bench: Workbench, client: ReadbackClient): Promise<void> {
    await this.#serving;
    if (this.#waiting.has(client)) this.#serving = this.#serve(bench);
    // Another may have begun to serve this one since.
    await this.#serving;
  }

  async #serve(bench: Workbench): Promise<void> {
    const clients = [...this.#waiting];
    this.#waiting.clear();
    for (const c of clients) this.#served.add(c);
    const regions = clients.map((c) => c.regions());
    const words = await bench.read(regions.flat());
    let at = 0;
    bench.batch(() => {
      for (const [i, c] of clients.entries()) {
        const count = regions[i]!.reduce((sum, region) => sum + region.words, 0);
        // What belonged to one that has gone away since may be another's by now.
        if (this.#served.delete(c)) c.accept(words.slice(at, at + count));
        at += count;
      }
    });
  }
}
