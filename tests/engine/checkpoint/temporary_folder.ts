/** Model folders that a test writes, spoils and removes. */
import { fileURLToPath } from "node:url";

/** A folder with the random model `sharded-bf16` or `wide-heads-f16` in it, removed with `using`. */
export async function modelCopy(
  name: "sharded-bf16" | "wide-heads-f16",
): Promise<{ path: string } & AsyncDisposable> {
  const source = fileURLToPath(new URL(`../../golden/model/${name}`, import.meta.url));
  const path = await Deno.makeTempDir({ prefix: "kvreplay-model-" });
  for await (const entry of Deno.readDir(source)) {
    await Deno.copyFile(`${source}/${entry.name}`, `${path}/${entry.name}`);
  }
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** A path for a file of its own, removed with `using`. */
export async function temporaryFile(
  bytes: Uint8Array,
): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempFile({ prefix: "kvreplay-", suffix: ".safetensors" });
  await Deno.writeFile(path, bytes);
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path) };
}

/** Reads a JSON file, lets `change` alter it, and writes it back. */
export async function editJson(
  path: string,
  // deno-lint-ignore no-explicit-any
  change: (json: any) => void,
): Promise<void> {
  const json = JSON.parse(await Deno.readTextFile(path));
  change(json);
  await Deno.writeTextFile(path, JSON.stringify(json));
}

/** The bytes of a safetensors file with this header text and these data. */
export function safetensorsBytes(
  header: string | Uint8Array,
  data: Uint8Array = new Uint8Array(),
): Uint8Array<ArrayBuffer> {
  const text = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}
