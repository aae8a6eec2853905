/**
 * A server that speaks the hub's protocol as its clients see it: two hosts, the hub itself and the one
 * that large files are redirected to. Headers and statuses are those that huggingface_hub reads
 * (`file_download.py`, `utils/_http.py`, `hf_api.py`).
 */
import { createHash } from "node:crypto";

/** A repository, at one commit for each revision. */
export interface FakeRepo {
  readonly type?: "model" | "dataset";
  readonly name: string;
  /** Contents by path, of each revision. */
  readonly revisions: Readonly<Record<string, Readonly<Record<string, Uint8Array>>>>;
  /** Who may see it: all, those with a token, or of those only some. Default: all. */
  readonly access?: "all" | "private" | "gated";
}

/** A request as it came. */
export interface SeenRequest {
  readonly host: "hub" | "cdn";
  readonly method: string;
  /** Path without the query. */
  readonly path: string;
  readonly headers: Headers;
}

/** Spoils an answer, or replaces it. */
export type Fault = (good: Response, request: SeenRequest) => Response | Promise<Response>;

interface WaitingFault {
  readonly host: "hub" | "cdn";
  readonly path: RegExp;
  readonly fault: Fault;
  times: number;
}

/** A token that the hub knows; its account has access to no gated repository. */
export const TOKEN = "hf_known";

/** A token of an account that has access to all. */
export const GOOD_TOKEN = "hf_admitted";

/** Entries of a page of a listing. */
const PAGE = 4;

/** Files from this length on, and weights, lie in LFS. */
const LFS_BYTES = 10_000;

/** The two servers. */
export class FakeHub implements AsyncDisposable {
  readonly requests: SeenRequest[] = [];
  readonly #repos: readonly FakeRepo[];
  readonly #faults: WaitingFault[] = [];
  readonly #hub: Deno.HttpServer<Deno.NetAddr>;
  readonly #cdn: Deno.HttpServer<Deno.NetAddr>;

  constructor(...repos: FakeRepo[]) {
    this.#repos = repos;
    const serve = (host: "hub" | "cdn", answer: (request: Request) => Response) =>
      Deno.serve(
        // A client that goes away is what some tests are about.
        { hostname: "127.0.0.1", port: 0, onListen() {}, onError: () => new Response(null) },
        async (request) => {
          const { method, headers, url } = request;
          const seen = { host, method, path: decodeURI(new URL(url).pathname), headers };
          this.requests.push(seen);
          const waiting = this.#faults.find((f) =>
            f.host === host && f.times > 0 && f.path.test(seen.path)
          );
          const good = answer(request);
          if (waiting === undefined) return good;
          waiting.times--;
          return await waiting.fault(good, seen);
        },
      );
    this.#hub = serve("hub", (request) => this.#answer(request));
    this.#cdn = serve("cdn", (request) => this.#contents(request));
  }

  /** What `HF_ENDPOINT` is set to. */
  get endpoint(): string {
    return `http://127.0.0.1:${this.#hub.addr.port}`;
  }

  /** Origin of the other host. */
  get cdn(): string {
    return `http://127.0.0.1:${this.#cdn.addr.port}`;
  }

  /** Spoils the next answers of a host to a path. */
  fail(host: "hub" | "cdn", path: RegExp, fault: Fault, times = 1): void {
    this.#faults.push({ host, path, fault, times });
  }

  /** Paths asked of a host, in order. */
  paths(host: "hub" | "cdn"): string[] {
    return this.requests.filter((r) => r.host === host).map(({ path }) => path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#hub.shutdown(), this.#cdn.shutdown()]);
  }

  #answer(request: Request): Response {
    const url = new URL(request.url);
    const { pathname } = url;
    const api = /^\/api\/(model|dataset)s\/([^/]+\/[^/]+)\/(revision|tree)\/([^/]+)$/.exec(
      pathname,
    );
    if (api !== null) {
      const [, type, name, what, revision] = api;
      return this.#asked(
        request,
        type!,
        name!,
        decodeURIComponent(revision!),
        (repo, commit) => what === "tree" ? this.#tree(url, repo, commit) : info(repo, commit),
      );
    }
    const cached = /^\/api\/resolve-cache\/(model|dataset)s\/([^/]+\/[^/]+)\/([0-9a-f]{40})\/(.+)$/
      .exec(pathname);
    if (cached !== null) {
      const [, type, name, revision, path] = cached;
      return this.#asked(request, type!, name!, revision!, (repo, commit) => {
        const bytes = filesOf(repo, commit)[decodeURIComponent(path!)]!;
        return part(request, bytes, fileHeaders(commit, gitSha1(bytes), bytes));
      });
    }
    const resolve = /^\/(datasets\/)?([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(pathname);
    if (resolve !== null) {
      const [, prefix, name, revision, path] = resolve;
      const type = prefix === undefined ? "model" : "dataset";
      return this.#asked(
        request,
        type,
        name!,
        decodeURIComponent(revision!),
        (repo, commit) => this.#resolve(repo, commit, decodeURIComponent(path!)),
      );
    }
    return refusal(404, null, "Not found");
  }

  /** The repository and the commit that a request is about, or why it is refused. */
  #asked(
    request: Request,
    type: string,
    name: string,
    revision: string,
    answer: (repo: FakeRepo, commit: string) => Response,
  ): Response {
    const authorization = request.headers.get("authorization");
    if (authorization !== null && !/^Bearer (hf_known|hf_admitted)$/.test(authorization)) {
      return refusal(401, null, "Invalid credentials in Authorization header");
    }
    const repo = this.#repos.find((r) => (r.type ?? "model") === type && r.name === name);
    if (repo === undefined || repo.access === "private" && authorization === null) {
      return authorization === null
        ? refusal(401, "RepoNotFound", "Invalid username or password.")
        : refusal(404, "RepoNotFound", "Repository not found");
    }
    const commit = Object.keys(repo.revisions).find((r) =>
      r === revision || commitOf(repo, r) === revision
    );
    if (commit === undefined) {
      return refusal(404, "RevisionNotFound", `Invalid rev id: ${revision}`);
    }
    // The names of a gated repository's files are public, their contents are not.
    if (repo.access === "gated" && !new URL(request.url).pathname.startsWith("/api/models/")) {
      if (authorization === null) {
        return refusal(401, "GatedRepo", `Access to model ${name} is restricted.`);
      }
      if (authorization !== `Bearer ${GOOD_TOKEN}`) {
        return refusal(403, "GatedRepo", `Access to model ${name} is restricted.`);
      }
    }
    return answer(repo, commitOf(repo, commit));
  }

  #tree(url: URL, repo: FakeRepo, commit: string): Response {
    const folders = new Set<string>();
    const files = Object.entries(filesOf(repo, commit));
    for (const [path] of files) {
      const parts = path.split("/").slice(0, -1);
      parts.forEach((_, i) => folders.add(parts.slice(0, i + 1).join("/")));
    }
    const all = [
      ...[...folders].map((path) => ({
        type: "directory",
        oid: gitSha1(encode(path)),
        size: 0,
        path,
      })),
      ...files.map(([path, bytes]) => treeEntry(path, bytes)),
    ];
    const from = Number(url.searchParams.get("cursor") ?? 0);
    const next = new URL(url);
    next.searchParams.set("cursor", String(from + PAGE));
    return Response.json(all.slice(from, from + PAGE), {
      headers: from + PAGE < all.length ? { link: `<${next.href}>; rel="next"` } : {},
    });
  }

  #resolve(repo: FakeRepo, commit: string, path: string): Response {
    const bytes = filesOf(repo, commit)[path];
    if (bytes === undefined) {
      const missing = refusal(404, "EntryNotFound", "Entry not found");
      missing.headers.set("x-repo-commit", commit);
      return missing;
    }
    if (!isLfs(path, bytes)) {
      return new Response(null, {
        status: 307,
        headers: {
          ...fileHeaders(commit, gitSha1(bytes), bytes),
          location: `/api/resolve-cache/${repo.type ?? "model"}s/${repo.name}/${commit}/${path}`,
        },
      });
    }
    const { endpoint } = this;
    const xet = `${endpoint}/api/models/${repo.name}/xet-read-token/${commit}`;
    return new Response(null, {
      status: 302,
      headers: {
        "x-repo-commit": commit,
        "x-linked-etag": `"${sha256(bytes)}"`,
        "x-linked-size": String(bytes.length),
        "x-xet-hash": sha256(encode(path)),
        link: `<${xet}>; rel="xet-auth", <${endpoint}/xet>; rel="xet-reconstruction-info"`,
        location: `${this.cdn}/${sha256(bytes)}?signature=secret`,
      },
    });
  }

  /** Contents by their hash. */
  #contents(request: Request): Response {
    // A signed address and a token together are refused by the hosts behind the hub.
    if (request.headers.has("authorization")) return refusal(400, null, "Only one auth mechanism");
    const hash = new URL(request.url).pathname.slice(1);
    for (const { revisions } of this.#repos) {
      for (const files of Object.values(revisions)) {
        const bytes = Object.values(files).find((b) => sha256(b) === hash);
        if (bytes !== undefined) return part(request, bytes, { etag: `"cdn-${hash.slice(0, 8)}"` });
      }
    }
    return refusal(404, null, "NoSuchKey");
  }
}

/** The commit of a revision. */
export function commitOf(repo: FakeRepo, revision: string): string {
  const files = Object.entries(repo.revisions[revision]!).map(([path, bytes]) =>
    `${path} ${gitSha1(bytes)}`
  );
  return createHash("sha1").update([repo.name, ...files].join("\n")).digest("hex");
}

/** Name of contents in git. */
export const gitSha1 = once((bytes) =>
  createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex")
);

/** Name of contents in LFS. */
export const sha256 = once((bytes) => createHash("sha256").update(bytes).digest("hex"));

/** Works a name out once for the same contents. */
function once(nameOf: (bytes: Uint8Array) => string): (bytes: Uint8Array) => string {
  const names = new WeakMap<Uint8Array, string>();
  return (bytes) => {
    const name = names.get(bytes) ?? nameOf(bytes);
    names.set(bytes, name);
    return name;
  };
}

/** Whether the hub would keep a file outside git. */
export function isLfs(path: string, bytes: Uint8Array): boolean {
  return /\.(safetensors|gguf|bin|onnx)$/.test(path) || bytes.length >= LFS_BYTES;
}

function filesOf(repo: FakeRepo, commit: string): Readonly<Record<string, Uint8Array>> {
  const revision = Object.keys(repo.revisions).find((r) => commitOf(repo, r) === commit);
  return repo.revisions[revision!]!;
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function treeEntry(path: string, bytes: Uint8Array) {
  const { length: size } = bytes;
  if (!isLfs(path, bytes)) return { type: "file", oid: gitSha1(bytes), size, path };
  const pointer = encode(
    `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256(bytes)}\nsize ${size}\n`,
  );
  return {
    type: "file",
    oid: gitSha1(pointer),
    size,
    lfs: { oid: sha256(bytes), size, pointerSize: pointer.length },
    xetHash: sha256(encode(path)),
    path,
  };
}

function info(repo: FakeRepo, commit: string): Response {
  return Response.json({
    _id: commit.slice(0, 24),
    id: repo.name,
    sha: commit,
    private: repo.access === "private",
    gated: repo.access === "gated" ? "manual" : false,
    downloads: 1,
    likes: 0,
    lastModified: "2026-11-24T10:00:00.000Z",
    createdAt: "2026-11-24T10:00:00.000Z",
    siblings: Object.keys(filesOf(repo, commit)).map((rfilename) => ({ rfilename })),
  });
}

function fileHeaders(commit: string, etag: string, bytes: Uint8Array): Record<string, string> {
  return {
    "x-repo-commit": commit,
    etag: `"${etag}"`,
    "x-linked-etag": `"${etag}"`,
    "x-linked-size": String(bytes.length),
  };
}

/** All of the contents, or the part that was asked for. */
function part(request: Request, bytes: Uint8Array, headers: Record<string, string>): Response {
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.get("range") ?? "");
  const body = (some: Uint8Array) => request.method === "HEAD" ? null : new Uint8Array(some);
  if (range === null) {
    const length = String(bytes.length);
    return new Response(body(bytes), {
      headers: { ...headers, "accept-ranges": "bytes", "content-length": length },
    });
  }
  const from = Number(range[1]);
  const to = range[2] === "" ? bytes.length : Math.min(bytes.length, Number(range[2]) + 1);
  if (from >= to) {
    return new Response(null, {
      status: 416,
      headers: { "content-range": `bytes */${bytes.length}` },
    });
  }
  const some = bytes.subarray(from, to);
  return new Response(body(some), {
    status: 206,
    headers: {
      ...headers,
      "accept-ranges": "bytes",
      "content-range": `bytes ${from}-${to - 1}/${bytes.length}`,
      "content-length": String(some.length),
    },
  });
}

function refusal(status: number, code: string | null, message: string): Response {
  return Response.json({ error: message }, {
    status,
    headers: { ...(code === null ? {} : { "x-error-code": code }), "x-error-message": message },
  });
}
