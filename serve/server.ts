/**
 * The server of the live page: reads, and writes nothing. It answers nobody but who asks for it by
 * the name that it has, so that no page of another site can make a browser read it.
 *
 * @module
 */
import { UserError } from "../errors.ts";
import { BoardReader } from "./boards.ts";
import { filterOf } from "./filter.ts";
import { livePage, liveParts, PAGE_STYLE } from "./page.ts";
import { PAGE_SCRIPT } from "./page_script.ts";
import { tell } from "../report/terminal.ts";

/** What is served, and where. */
export interface ServeOptions {
  /** Folder of sweeps and leaderboards. */
  readonly folder: string;
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
export function serveFolder(options: ServeOptions): Deno.HttpServer<Deno.NetAddr> {
  const { folder, hostname, port, listening } = options;
  const reader = new BoardReader(folder);
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
    }, (request) => answer(request, reader, names));
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable || !(error instanceof Error)) throw error;
    throw new UserError(`Cannot serve at ${host}:${port}: ${error.message}`);
  }
}

async function answer(
  request: Request,
  reader: BoardReader,
  names: readonly string[],
): Promise<Response> {
  const url = new URL(request.url);
  if (!names.includes(url.hostname)) return text("This server has another name", 403);
  if (request.method !== "GET" && request.method !== "HEAD") {
    return text("This page is to be read", 405, { allow: "GET, HEAD" });
  }
  switch (url.pathname) {
    case "/":
      return html(livePage(await reader.boards(), filterOf(url.searchParams), Date.now()), POLICY);
    case "/live":
      return html(liveParts(await reader.boards(), filterOf(url.searchParams), Date.now()), POLICY);
    case "/page.css":
      return content(PAGE_STYLE, "text/css");
    case "/page.js":
      return content(PAGE_SCRIPT, "text/javascript");
    case "/report": {
      const name = url.searchParams.get("board");
      // Only what was found is read: a name is no path.
      const found = (await reader.boards()).find((board) => board.name === name && board.report);
      if (found === undefined) return text("There is no such report", 404);
      return html(await Deno.readTextFile(`${found.path}/report.html`), REPORT_POLICY);
    }
    default:
      return text("There is nothing here", 404);
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
