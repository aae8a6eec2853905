import type { KvquantSettings } from "./kvquant_settings.ts";
import type { BufferContents, Source, Store, StoredBuffer } from "./family.ts";
import type { GpuTensor, TokenRange } from "./tensor.ts";
export class KvquantStoreGpu implements Store<GpuTensor> {
  constructor(_d: GPUDevice, _s: Source<GpuTensor>, _t: KvquantSettings, _n: number) {
    throw new Error("x");
  }
  quantized!: TokenRange;
  rewrites() {
    return false;
  }
  grow() {}
  restore() {}
  settle(): Promise<void> {
    return Promise.resolve();
  }
  buffers(): StoredBuffer[] {
    return [];
  }
  contents(): Promise<BufferContents[]> {
    return Promise.resolve([]);
  }
  free() {}
}
