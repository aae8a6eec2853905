/** An add-on is loaded from a copy of its folder, as in a compiled binary. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { createRequire } from "node:module";
import process from "node:process";
import { withAddonCopied } from "../../../engine/devices/native_library.ts";

const require = createRequire(import.meta.url);
const FOLDER = new URL(
  `../bin/napi-v6/${process.platform}/${process.arch}/`,
  import.meta.resolve("onnxruntime-node"),
);
/** No such file: only the copy can answer to this name. */
const ADDON = "./nowhere/onnxruntime_binding.node";

Deno.test("an add-on and the library it is linked to are loaded from copies", async () => {
  const addon = await withAddonCopied(FOLDER, () => Promise.resolve(require(ADDON)));
  assertEquals(typeof addon.InferenceSession, "function");
});

Deno.test("the redirection and the copies end with the load, even when it fails", async () => {
  let folder = "";
  const failing = withAddonCopied(FOLDER, () => {
    folder = require.resolve(ADDON);
    return Promise.reject(new Error("no"));
  });
  await assertRejects(() => failing, Error, "no");
  assert(folder.includes("kvreplay-"), folder);
  await assertRejects(() => Deno.stat(folder), Deno.errors.NotFound);
  await assertRejects(() => Promise.resolve().then(() => require.resolve(ADDON)));
});
