import manifest from "../deno.json" with { type: "json" };

/** Version of this project. */
export const VERSION: string = manifest.version;
