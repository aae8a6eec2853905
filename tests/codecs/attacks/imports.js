import fs from "node:fs";
export default {
  encode: () => new Uint8Array(fs.readFileSync("/etc/hostname")),
  decode: () => new Float32Array(0),
};
