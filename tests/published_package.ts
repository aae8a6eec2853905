/**
 * The package as a registry would hold it: `deno publish` is given a registry of this machine, which
 * keeps what it is sent. Specifiers are rewritten by then, and what was forgotten is not there.
 */
import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const PROJECT = new URL("../", import.meta.url);

async function run(program: string, args: string[], env: Record<string, string> = {}) {
  const { success, stderr } = await new Deno.Command(program, {
    args,
    cwd: fileURLToPath(PROJECT),
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "null",
  }).output();
  assert(success, `${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/** Publishes the project and lays out what arrives in `folder`. */
export async function publishTo(folder: string): Promise<void> {
  let archive = new Uint8Array();
  // The three questions of jsr.io's API that a first version is published with.
  const registry = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const { pathname } = new URL(request.url);
      const isVersion = /\/versions\/[^/]+$/.test(pathname);
      if (request.method === "GET") {
        return isVersion
          ? Response.json({ code: "packageVersionNotFound", message: "" }, { status: 404 })
          : Response.json({});
      }
      assertEquals([request.method, isVersion], ["POST", true]);
      archive = await request.bytes();
      return Response.json({ id: crypto.randomUUID(), status: "success", error: null });
    },
  );
  const { port } = registry.addr;
  try {
    await run(
      Deno.execPath(),
      ["publish", "--quiet", "--allow-dirty", "--no-provenance", "--token", "none"],
      { JSR_URL: `http://127.0.0.1:${port}/` },
    );
  } finally {
    await registry.shutdown();
  }
  const file = join(folder, "..", "package.tar.gz");
  await Deno.writeFile(file, archive);
  await run("tar", ["-xzf", file, "-C", folder]);
  await Deno.remove(file);
}

/** An import map (https://html.spec.whatwg.org/multipage/webappapis.html#import-maps). */
export interface ImportMap {
  readonly imports: Readonly<Record<string, string>>;
  readonly scopes: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/**
 * What a registry would do for a user: leads the library's names to its entry points, and the names
 * of the standard library to what stands in for it here, which alone is led to packages of npm.
 *
 * @param server address of what serves the package
 * @param project address of what serves the project
 */
export async function importMap(server: string, project: string): Promise<ImportMap> {
  const read = async (path: string) => JSON.parse(await Deno.readTextFile(new URL(path, PROJECT)));
  const config: {
    name: string;
    exports: Record<string, string>;
    imports: Record<string, string>;
    links: string[];
  } = await read("deno.json");
  const imports: Record<string, string> = {};
  for (const [subpath, file] of Object.entries(config.exports)) {
    imports[config.name + subpath.slice(1)] = new URL(file, server).href;
  }
  for (const link of config.links) {
    const { name, exports } = await read(`${link}/deno.json`);
    for (const [subpath, file] of Object.entries<string>(exports)) {
      imports[config.imports[name] + subpath.slice(1)] = new URL(`${link}/${file}`, project).href;
    }
  }
  const packages = Object.entries(config.imports).filter(([, to]) => to.startsWith("npm:"));
  const withSubpaths = packages.flatMap(([name, to]) => [
    [name, to],
    [`${name}/`, `${to.replace("npm:", "npm:/")}/`],
  ]);
  return {
    imports,
    scopes: { [new URL("std/", project).href]: Object.fromEntries(withSubpaths) },
  };
}
