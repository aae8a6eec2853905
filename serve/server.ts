/**
 * The server of the live page: reads, and writes nothing. It answers nobody but who asks for it by
 * the name that it has, so that no page of another site can make a browser read it.
 *
 * @module
 */
import { UserError } from "../errors.ts";
import type { BoardSource } from "./boards.ts";
import { filterOf } from "./filter.ts";
import { livePage, liveParts, PAGE_STYLE, type PageInput } from "./page.ts";
import { PAGE_SCRIPT } from "./page_script.ts";
import { tell } from "../report/terminal.ts";

/** What is served, and where. */
export interface ServeOptions {
  /** Where sweeps and leaderboards are kept. */
  readonly sources: readonly BoardSource[];
  readonly hostname: string;
  /** 0 for any that is free. */
  readonly port: number;
  /** Is told the address. */
  readonly listening?: (address: string) => void;
}

/** Nothing comes from elsewhere, and nothing is sent there. */
const POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; " +
  "form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/** A report has its style in itself, and no script. */
const REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/** Names of this machine for itself. */
const LOOPBACK = ["127.0.0.1", "localhost", "[::1]"];

/**
 * Starts the server.
 *
 * @throws {UserError} when the address is taken or is none of this machine's
 */
export function serveBoards(options: ServeOptions): Deno.HttpServer<Deno.NetAddr> {
  const { sources, hostname, port, listening } = options;
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  const names = LOOPBACK.includes(host) ? LOOPBACK : [host, ...LOOPBACK];
  try {
    return Deno.serve({
      ...{ hostname, port },
      onListen: (address) => listening?.(`http://${host}:${address.port}/`),
      onError: (error) => {
        tell(error instanceof Error ? error.stack ?? error.message : String(error));
        return text("Something went wrong", 500);
      },
    }, (request) => answer(request, sources, names));
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable || !(error instanceof Error)) throw error;
    throw new UserError(`Cannot serve at ${host}:${port}: ${error.message}`);
  }
}

async function answer(
  request: Request,
  sources: readonly BoardSource[],
  names: readonly string[],
): Promise<Response> {
  const url = new URL(request.url);
  if (!names.includes(url.hostname)) return text("This server has another name", 403);
  if (request.method !== "GET" && request.method !== "HEAD") {
    return text("This page is to be read", 405, { allow: "GET, HEAD" });
  }
  switch (url.pathname) {
    case "/":
      return html(livePage(await pageInput(sources, url)), POLICY);
    case "/live":
      return html(liveParts(await pageInput(sources, url)), POLICY);
    case "/page.css":
      return content(PAGE_STYLE, "text/css");
    case "/page.js":
      return content(PAGE_SCRIPT, "text/javascript");
    case "/report": {
      const name = url.searchParams.get("board") ?? "";
      const found = await firstOf(sources, (source) => source.report(name));
      if (found === undefined) return text("There is no such report", 404);
      return html(found, REPORT_POLICY);
    }
    default:
      return text("There is nothing here", 404);
  }
}

/** What is asked for: the board that is named, else one that is running, else the first. */
async function pageInput(sources: readonly BoardSource[], url: URL): Promise<PageInput> {
  const filter = filterOf(url.searchParams);
  const boards = (await Promise.all(sources.map((source) => source.names()))).flat();
  const chosen = boards.find(({ name }) => name === filter.board) ??
    boards.find(({ isLive }) => isLive) ?? boards[0];
  const board = chosen && await firstOf(sources, (source) => source.board(chosen.name));
  return { boards, board, filter, now: Date.now() };
}

async function firstOf<V>(
  sources: readonly BoardSource[],
  of: (source: BoardSource) => Promise<V | undefined>,
): Promise<V | undefined> {
  for (const source of sources) {
    const found = await of(source);
    if (found !== undefined) return found;
  }
}

const HEADERS = {
  "cache-control": "no-store",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

function html(body: string, policy: string): Response {
  return content(body, "text/html", { "content-security-policy": policy });
}

function content(body: string, type: string, more: Record<string, string> = {}): Response {
  return new Response(body, {
    headers: { ...HEADERS, "content-type": `${type}; charset=utf-8`, ...more },
  });
}

function text(body: string, status: number, more: Record<string, string> = {}): Response {
  return new Response(`${body}\n`, {
    status,
    headers: { ...HEADERS, "content-type": "text/plain; charset=utf-8", ...more },
  });
}
