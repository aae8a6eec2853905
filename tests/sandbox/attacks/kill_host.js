// deno-lint-ignore-file
/** Tries to end the process that it runs in, and any other. */
const routes = {
  "Deno.kill": () => Deno.kill(Deno.pid, "SIGKILL"),
  "Deno.exit": () => Deno.exit(0),
  "process.kill": () => process.kill(process.pid, "SIGKILL"),
  "process.abort": () => process.abort(),
  "process.exit": () => process.exit(0),
  "close": () => close(),
  "self.close": () => globalThis.close(),
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
