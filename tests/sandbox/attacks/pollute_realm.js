// deno-lint-ignore-file
/** Spoils every prototype of its realm, to spoil what carries its answers. */
Object.prototype.toJSON = () => ({ polluted: 1 });
Object.prototype.polluted = 1;
Array.prototype.map = () => ["polluted"];
JSON.stringify = () => '{"polluted": 1}';
Reflect.get = () => "polluted";
export default {
  choose_bits: () => 4,
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "none",
};
