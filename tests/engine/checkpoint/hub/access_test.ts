import { assertEquals, assertRejects } from "@std/assert";
import { UserError } from "../../../../errors.ts";
import { hubAccess } from "../../../../engine/checkpoint/hub/access.ts";

/** Reads the access of these variables, in a home with this token. */
async function access(variables: Record<string, string>, token?: string) {
  const HF_HOME = await Deno.makeTempDir({ prefix: "kvreplay-test-" });
  try {
    if (token !== undefined) await Deno.writeTextFile(`${HF_HOME}/token`, token);
    const all: Record<string, string> = { HF_HOME, ...variables };
    return await hubAccess((name) => all[name]);
  } finally {
    await Deno.remove(HF_HOME, { recursive: true });
  }
}

Deno.test("without variables it is the hub itself, without a token", async () => {
  assertEquals(await access({}), { endpoint: "https://huggingface.co", offline: false });
});

Deno.test("a mirror may have a path, and loses the slash at its end", async () => {
  const { endpoint } = await access({ HF_ENDPOINT: "https://mirror.example/hub/" });
  assertEquals(endpoint, "https://mirror.example/hub");
});

Deno.test("the token is that of the variable, else of the file that logging in writes", async () => {
  assertEquals((await access({ HF_TOKEN: "hf_variable" }, "hf_file\n")).token, "hf_variable");
  assertEquals((await access({ HF_TOKEN: " " }, "hf_file\r\n")).token, "hf_file");
  assertEquals((await access({}, "\n")).token, undefined);
});

Deno.test("offline is what Python takes for true", async () => {
  for (const yes of ["1", "ON", "yes", "True"]) {
    assertEquals((await access({ HF_HUB_OFFLINE: yes })).offline, true, yes);
  }
  for (const no of ["0", "", "off", "2"]) {
    assertEquals((await access({ HF_HUB_OFFLINE: no })).offline, false, no);
  }
});

Deno.test("an endpoint that is none, and a token that cannot be one, are refused", async () => {
  for (
    const text of [
      "mirror.example",
      "file:///hub",
      "https://me:pass@mirror.example",
      "https://m/?x",
    ]
  ) {
    await assertRejects(
      () => access({ HF_ENDPOINT: text }),
      UserError,
      `HF_ENDPOINT is ${
        JSON.stringify(text)
      }; expected the URL of a hub, as in https://huggingface.co`,
    );
  }
  const { message } = await assertRejects(() => access({ HF_TOKEN: "hf_a b" }), UserError);
  assertEquals(message, "The token of HF_TOKEN has characters that no token has: log in again");
});
