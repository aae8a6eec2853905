// deno-lint-ignore-file
/** Looks for the gold answers, the prompt and the tensors: in files, and in what it is given. */
const PATHS = ["/proc/self/environ", "./benchmarks/slices.ts", "/etc/passwd", "deno.json"];
const routes = {
  "Deno.readTextFileSync": (path) => Deno.readTextFileSync(path),
  "require": (path) => require(path),
  "fetch": (path) => fetch(`file://${path}`),
  "XMLHttpRequest": (path) => new XMLHttpRequest().open("GET", path),
  "process.binding": () => process.binding("fs"),
  "process.getBuiltinModule": () => process.getBuiltinModule("fs"),
  "import.meta.resolve": (path) => import.meta.resolve(path),
  "import.meta.url": () => import.meta.url.length,
};
const GIVEN = {
  request: ["slice", "dataset", "prompt_tokens", "cache_tokens", "max_new_tokens"],
  budget: [
    ...["budget_bits", "used_bits", "remaining_bits", "step", "total_steps"],
    ...["layers", "kv_heads", "head_dim"],
  ],
  stats: [
    ...["tokens", "min", "max", "mean", "std", "abs_max", "channel_range_mean"],
    ...["channel_range_max", "token_range_mean", "token_range_max", "outlier_share"],
    ...["attention_mass_recent", "attention_entropy"],
  ],
};
function inspect(what, value) {
  for (const key of Reflect.ownKeys(value)) {
    if (!GIVEN[what].includes(key)) throw new Error(`reached ${what}.${String(key)}`);
    const plain = value[key] === null || ["number", "string"].includes(typeof value[key]);
    if (!plain) throw new Error(`reached an object at ${what}.${key}`);
  }
}
export default {
  choose_bits(layer, kind, head, stats, budget, ...more) {
    if (more.length > 0) throw new Error("reached further arguments");
    inspect("stats", stats);
    inspect("budget", budget);
    for (const path of PATHS) {
      for (const [name, route] of Object.entries(routes)) {
        try {
          route(path);
        } catch {
          continue;
        }
        throw new Error(`reached ${name}`);
      }
    }
    return 4;
  },
  choose_axis: () => "token",
  residual_length(layer, request, ...more) {
    if (more.length > 0) throw new Error("reached further arguments");
    inspect("request", request);
    return 0;
  },
  calibration_mode: () => "none",
};
