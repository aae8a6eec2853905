/**
 * Counts the buffers of a device: nothing says that a buffer was forgotten, and the memory of a device
 * only comes back when the garbage collector happens to find it.
 */

/**
 * Watches a device from now on.
 *
 * @returns a function that destroys the buffers that are still there, and returns their labels
 */
export function watchBuffers(device: GPUDevice): () => string[] {
  const live = new Set<GPUBuffer>();
  const createBuffer = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    const buffer = createBuffer(descriptor);
    const destroy = buffer.destroy.bind(buffer);
    buffer.destroy = () => {
      live.delete(buffer);
      destroy();
    };
    live.add(buffer);
    return buffer;
  };
  return () =>
    Array.from(live, (buffer) => {
      buffer.destroy();
      return buffer.label || "without a label";
    }).sort();
}
