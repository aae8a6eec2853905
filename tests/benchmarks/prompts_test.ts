import { assertEquals } from "@std/assert";
import { renderPrompt } from "../../benchmarks/datasets.ts";
import prompts from "../../benchmarks/prompts.json" with { type: "json" };
import { loadSlice, sliceNames } from "../../benchmarks/slices.ts";
import miniConfig from "../../models/mini/tokenizer_config.json" with { type: "json" };
import outlierConfig from "../../models/mini-outlier/tokenizer_config.json" with { type: "json" };
import { openChatTemplate } from "../../engine/checkpoint/chat_template.ts";

for (const [model, config] of Object.entries({ mini: miniConfig, "mini-outlier": outlierConfig })) {
  Deno.test(`the chat template of ${model} writes the turn of prompts.json`, async () => {
    const render = openChatTemplate(undefined, config, model)!;
    for (const name of sliceNames) {
      for (const example of await loadSlice(name)) {
        const content = renderPrompt(example);
        assertEquals(
          render([{ role: "user", content }]),
          prompts.system_prefix + content + prompts.assistant_suffix,
        );
      }
    }
  });
}
