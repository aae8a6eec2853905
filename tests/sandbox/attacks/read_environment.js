// deno-lint-ignore-file
/** Looks for the environment: variables, arguments, the machine, the user, the network. */
const routes = {
  "Deno.env": () => Deno.env.toObject(),
  "Deno.args": () => Deno.args.length,
  "Deno.hostname": () => Deno.hostname(),
  "process.env": () => process.env.PATH,
  "process.argv": () => process.argv.length,
  "navigator": () => navigator.userAgent,
  "location": () => location.href,
  "performance": () => performance.now(),
  "fetch": () => fetch("https://example.com/"),
  "WebSocket": () => new WebSocket("wss://example.com/"),
  "EventSource": () => new EventSource("https://example.com/"),
  "localStorage": () => localStorage.length,
  "caches": () => caches.open("x"),
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
