/** A hub, an empty cache and a client that waits for nobody. */
import { relative } from "node:path";
import { type FetchedModel, fetchModel } from "../../../../engine/checkpoint/hub/fetch_model.ts";
import { parseHubName } from "../../../../engine/checkpoint/hub/name.ts";
import type { DownloadProgress } from "../../../../engine/checkpoint/hub/repo_download.ts";
import { FakeHub, type FakeRepo } from "./fake_hub.ts";

/** How a client of a scene differs from one without a token on a network that answers. */
export interface SceneOptions {
  readonly token?: string;
  readonly endpoint?: string;
  readonly offline?: boolean;
  /** Milliseconds until an answer is late; default: longer than a test. */
  readonly answerMs?: number;
}

/** One test's hub and cache. */
export class FetchScene implements AsyncDisposable {
  /** What the user was told. */
  readonly notices: string[] = [];
  /** Milliseconds that were waited, or would have been. */
  readonly pauses: number[] = [];
  readonly progress: DownloadProgress[] = [];

  private constructor(readonly hub: FakeHub, readonly cacheFolder: string) {}

  static async open(...repos: FakeRepo[]): Promise<FetchScene> {
    const folder = await Deno.makeTempDir({ prefix: "kvreplay-test-" });
    return new FetchScene(new FakeHub(...repos), folder);
  }

  /** Fetches a model as the command does. */
  async fetch(name: string, options: SceneOptions = {}): Promise<FetchedModel> {
    const { token, endpoint = this.hub.endpoint, offline = false, answerMs = 60_000 } = options;
    return await fetchModel(parseHubName(name)!, {
      access: { endpoint, offline, ...(token === undefined ? {} : { token }) },
      cacheFolder: this.cacheFolder,
      patience: {
        answerMs,
        pause: (ms) => {
          this.pauses.push(ms);
          return Promise.resolve();
        },
      },
      progress: (at) => this.progress.push(at),
      notice: (sentence) => this.notices.push(sentence),
    });
  }

  /** Every file and link of the cache but the locks: path, and where a link leads. */
  files(): Record<string, string> {
    const found: Record<string, string> = {};
    const walk = (folder: string) => {
      for (const entry of Deno.readDirSync(folder)) {
        const path = `${folder}/${entry.name}`;
        if (entry.name === ".locks") continue;
        if (entry.isDirectory) walk(path);
        else {
          found[relative(this.cacheFolder, path)] = entry.isSymlink ? Deno.readLinkSync(path) : "";
        }
      }
    };
    walk(this.cacheFolder);
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.hub[Symbol.asyncDispose]();
    await Deno.remove(this.cacheFolder, { recursive: true });
  }
}
