// deno-lint-ignore-file
/** Starts workers in number, writes to the Cache API, opens channels, shares memory, asks for a GPU. */
const routes = {
  "Worker": () => {
    for (let i = 0; i < 1000; i++) new Worker("data:application/javascript,for(;;);");
  },
  "caches": () => caches.open("forged"),
  "CacheStorage": () => new CacheStorage(),
  "BroadcastChannel": () => new BroadcastChannel("kvreplay").postMessage("forged"),
  "MessageChannel": () => new MessageChannel(),
  "SharedArrayBuffer": () => new SharedArrayBuffer(64),
  "Atomics": () => Atomics.load(new Int32Array(1), 0),
  "WebAssembly.Memory": () => new WebAssembly.Memory({ initial: 1, maximum: 2, shared: true }),
  "WebAssembly.Module": () => new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])),
  "navigator.gpu": () => navigator.gpu.requestAdapter(),
  "GPU": () => GPU.prototype.requestAdapter.call({}),
  "structuredClone": () => structuredClone({}),
  "eval": () => eval("1"),
  "Function": () => new Function("return 1")(),
  "setTimeout": () => setTimeout(() => {}, 0),
  "setInterval": () => setInterval(() => {}, 0),
  "FinalizationRegistry": () => new FinalizationRegistry(() => {}),
};
export default {
  choose_bits() {
    for (const [name, route] of Object.entries(routes)) {
      try {
        route();
      } catch {
        continue;
      }
      throw new Error(`reached ${name}`);
    }
    return 4;
  },
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "none",
};
