import { assertEquals } from "@std/assert";
import { findAdapter, openDevice } from "../../../engine/devices/adapter.ts";
import { openTransfers, uploadThroughQueue } from "../../../engine/devices/transfers.ts";

const found = await findAdapter();

/** Registers a test on a device of its own; ignored, or failing when that is asked for, without a driver. */
function testOnDevice(name: string, body: (device: GPUDevice) => Promise<void>) {
  Deno.test({
    name,
    ignore: Deno.env.get("KVREPLAY_REQUIRE_GPU") !== "1" && found === undefined,
    fn: async () => {
      // An adapter gives one device only.
      const device = await openDevice((await findAdapter())!.adapter);
      try {
        await body(device);
      } finally {
        device.destroy();
      }
    },
  });
}

/** The words of a buffer, by a copy and a mapping that is awaited. */
async function read(device: GPUDevice, buffer: GPUBuffer): Promise<number[]> {
  const back = device.createBuffer({
    size: buffer.size,
    usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
  });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, back, 0, buffer.size);
  device.queue.submit([encoder.finish()]);
  await back.mapAsync(GPUMapMode.READ);
  const words = [...new Uint32Array(back.getMappedRange())];
  back.destroy();
  return words;
}

testOnDevice(
  "buffers that are mapped when made hold what was written to their ranges",
  async (device) => {
    uploadThroughQueue(device);
    const whole = device.createBuffer({
      size: 16,
      usage: GPUBufferUsage.MAP_WRITE | GPUBufferUsage.COPY_SRC,
      mappedAtCreation: true,
    });
    new Uint32Array(whole.getMappedRange()).set([1, 2, 3, 4]);
    whole.unmap();
    assertEquals(await read(device, whole), [1, 2, 3, 4]);

    const parts = device.createBuffer({
      size: 32,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC,
      mappedAtCreation: true,
    });
    new Uint32Array(parts.getMappedRange(8, 8)).set([5, 6]);
    new Uint32Array(parts.getMappedRange(24)).set([7, 8]);
    parts.unmap();
    assertEquals(await read(device, parts), [0, 0, 5, 6, 0, 0, 7, 8]);
  },
);

testOnDevice(
  "a buffer is read again and again without its mapping being awaited",
  async (device) => {
    await openTransfers(device);
    const data = device.createBuffer({
      size: 16,
      usage: GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    });
    const back = device.createBuffer({
      size: 16,
      usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
    });
    for (let round = 1; round < 20; round++) {
      device.queue.writeBuffer(data, 0, Uint32Array.of(round, 2 * round, 3 * round, 4 * round));
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(data, 0, back, 0, 16);
      device.queue.submit([encoder.finish()]);
      back.mapAsync(GPUMapMode.READ);
      const words = [...new Uint32Array(back.getMappedRange())];
      back.unmap();
      assertEquals(words, [round, 2 * round, 3 * round, 4 * round]);
    }
  },
);

testOnDevice("a device whose mappings take time keeps the plain way", async (device) => {
  const create = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    const buffer = create(descriptor);
    const map = buffer.mapAsync.bind(buffer);
    buffer.mapAsync = async (...where) => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      return await map(...where);
    };
    return buffer;
  };
  assertEquals(await openTransfers(device), "plain");
  // Buffers work as they did.
  const buffer = create({ size: 8, usage: GPUBufferUsage.COPY_SRC, mappedAtCreation: true });
  new Uint32Array(buffer.getMappedRange()).set([3, 9]);
  buffer.unmap();
  assertEquals(await read(device, buffer), [3, 9]);
});
