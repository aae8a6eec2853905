/**
 * @module
 */

/** A device that cannot be used on this machine. The message says what would be needed. */
export class DeviceError extends Error {
  override name = "DeviceError";
}
