/**
 * Loading onnxruntime-node from a compiled binary. Its add-on finds the library it is linked to in
 * its own folder, but files inside a binary are in no folder that the system's loader can see, so
 * both are copied to a temporary one first.
 *
 * @module
 */
import { registerHooks } from "node:module";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { UserError } from "../../errors.ts";
import { createHeldFolder } from "../../files/held_folder.ts";

/** Folder of a package's add-on for this machine, as onnxruntime-node lays them out. */
function folderFor(entry: string): URL {
  return new URL(`../bin/napi-v6/${process.platform}/${process.arch}/`, entry);
}

/**
 * Imports onnxruntime-node.
 *
 * @throws {UserError} where it has no library for this machine
 */
export async function importNativeRuntime(): Promise<typeof import("onnxruntime-node")> {
  // In a statement of its own: only there does publishing put the version into the name.
  const entry = import.meta.resolve("onnxruntime-node");
  const folder = folderFor(entry);
  const exists = await Deno.stat(folder).then((info) => info.isDirectory, () => false);
  if (!exists) {
    throw new UserError(
      `Device cpu: onnxruntime-node has no library for ${process.platform} ${process.arch}: use --device wasm`,
    );
  }
  keepQuiet();
  const load = () => import("onnxruntime-node");
  return Deno.build.standalone ? await withAddonCopied(folder, load) : await load();
}

/**
 * onnxruntime's native library reports its use to its makers, and keeps a device id and a queue of
 * events in the user's cache folder, unless this variable is set. Native code is bound by no
 * permission of Deno, so it is asked not to before it is loaded.
 */
function keepQuiet(): void {
  const variable = TELEMETRY_VARIABLE;
  const { state } = Deno.permissions.querySync({ name: "env", variable });
  if (state === "granted") Deno.env.set(variable, "1");
}

/** Turns onnxruntime's telemetry off; every task that runs a model may set it. */
export const TELEMETRY_VARIABLE = "ORT_DISABLE_TELEMETRY";

/**
 * Runs `load` while every `require` of an add-on of this folder takes a copy of it, beside copies of
 * the folder's other files.
 *
 * @param folder that holds `*.node` and the libraries it is linked to
 */
export async function withAddonCopied<T>(folder: URL, load: () => Promise<T>): Promise<T> {
  const held = await createHeldFolder("kvreplay-runtime-");
  const copy = held.path;
  try {
    const addons = new Set<string>();
    for await (const { name } of Deno.readDir(folder)) {
      await Deno.writeFile(join(copy, name), await Deno.readFile(new URL(name, folder)));
      if (name.endsWith(".node")) addons.add(name);
    }
    const hooks = registerHooks({
      resolve(specifier, context, next) {
        const name = specifier.split("/").at(-1)!;
        return addons.has(name)
          ? { url: pathToFileURL(join(copy, name)).href, shortCircuit: true }
          : next(specifier, context);
      },
    });
    try {
      return await load();
    } finally {
      hooks.deregister();
    }
  } finally {
    // Loaded libraries outlive their files, except on Windows, where they cannot be removed.
    await held.remove().catch((error) => {
      if (Deno.build.os !== "windows") throw error;
    });
  }
}
