/** A folder that a test serves. */

/** Serves the files of a folder; a path that is none is not found. */
export function serveFolder(folder: URL): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { pathname } = new URL(request.url);
    const bytes = await Deno.readFile(new URL(`.${pathname}`, folder)).catch(() => undefined);
    return bytes === undefined ? new Response(null, { status: 404 }) : new Response(bytes);
  });
}
