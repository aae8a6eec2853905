/** What `kvreplay new` writes is what `kvreplay check` finds nothing wrong with. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { NO_CACHE } from "../no_cache.ts";

const ROOT = new URL("../../", import.meta.url);

async function kvreplay(set: "new" | "check", ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--quiet", `-P=${set}`, `--allow-run=${Deno.execPath()}`],
      ...["cli.ts", ...args],
    ],
    cwd: ROOT,
    env: { NO_COLOR: "1", ...NO_CACHE },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "kvreplay-test-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

for (
  const [kind, ending, ...more] of [
    ["policy", "ts"],
    ["quantizer", "ts"],
    ["policy", "py", "--python"],
  ] as const
) {
  Deno.test(`a new ${kind}${more.map((flag) => ` with ${flag}`)} passes its check and its own test`, async () => {
    await inFolder(async (folder) => {
      const made = await kvreplay("new", "new", kind, "fresh", "--out", folder, ...more);
      assertEquals([made.code, made.stderr], [0, ""]);
      assertStringIncludes(made.stdout, `deno task check ${folder}/fresh.${ending}`);
      const checked = await kvreplay("check", "check", `${folder}/fresh.${ending}`);
      assertEquals([checked.code, checked.stderr], [0, ""]);
      assertMatch(
        checked.stdout,
        new RegExp(`fresh.${ending} is a ${kind}, and on random caches it`),
      );
      const { code, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["test", "--allow-all", "--config", `${ROOT.pathname}deno.json`, "fresh_test.ts"],
        cwd: folder,
        env: { NO_COLOR: "1", ...NO_CACHE },
      }).output();
      assertEquals(code, 0, new TextDecoder().decode(stderr));
      const again = await kvreplay("new", "new", kind, "fresh", "--out", folder, ...more);
      assertEquals([again.code, again.stdout], [1, ""]);
      assertMatch(again.stderr, /fresh.(ts|py) is there already; give your \w+ another name\n$/);
    });
  });
}

Deno.test("half of what is new is not left behind", async () => {
  await inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/fresh_test.ts`, "mine");
    const { code, stderr } = await kvreplay("new", "new", "policy", "fresh", "--out", folder);
    assertEquals(code, 1);
    assertMatch(stderr, /fresh_test.ts is there already/);
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["fresh_test.ts"]);
  });
});

Deno.test("what a file does wrong is told in one sentence, with exit code 1", async () => {
  const policy = (bits: string) =>
    `export default { choose_bits: () => ${bits}, choose_axis: () => "token",
     residual_length: () => 0, calibration_mode: () => "none" };`;
  const codec = (decode: string) =>
    `export default {
    encode: (_l, _k, { data }) => new Uint8Array(Float32Array.from(data).buffer),
    decode: (_l, _k, bytes) => ${decode},
  };`;
  const cases: [text: string, sentence: RegExp][] = [
    [policy("5"), /choose_bits\(0, "key", 0\) returned 5 bits/],
    [policy("Math.random() < 0.5 ? 2 : 3"), /not deterministic/],
    [codec("new Float32Array(1)"), /returned 1 entries; expected \d+/],
    [codec("new Float32Array(bytes.length / 4).fill(NaN)"), /is not finite/],
    ["export default {};", /is neither a policy nor a quantizer/],
    [
      "export default { encode() {}, decod() {} };",
      /is neither a policy nor a quantizer: Quantizer mine has no method decode; .*it has "decod"; Policy/,
    ],
    ["export default { encode() {}, decode() {} ", /^kvreplay: Quantizer mine: .*SyntaxError/],
  ];
  await inFolder(async (folder) => {
    for (const [text, sentence] of cases) {
      await Deno.writeTextFile(`${folder}/mine.js`, text);
      const { code, stdout, stderr } = await kvreplay("check", "check", `${folder}/mine.js`);
      assertEquals([code, stdout], [1, ""], stderr);
      assertMatch(stderr, sentence);
      assertEquals(stderr.split("\n").length, 2, stderr);
    }
  });
});

Deno.test("a quantizer that restores nothing is let pass, with a note", async () => {
  await inFolder(async (folder) => {
    for (const [factor, noted] of [[0, true], [1, false]] as const) {
      await Deno.writeTextFile(
        `${folder}/mine.js`,
        `export default {
          encode: (_l, _k, { data }) => new Uint8Array(Float32Array.from(data).buffer),
          decode: (_l, _k, bytes) => new Float32Array(bytes.buffer).map((x) => ${factor} * x),
        };`,
      );
      const { code, stdout, stderr } = await kvreplay("check", "check", `${folder}/mine.js`);
      assertEquals(code, 0, stderr);
      assertEquals(stdout.includes("no nearer to the cache than zeros are"), noted, stdout);
    }
  });
});

Deno.test("a wrong command line ends with code 2 and says what would be right", async () => {
  for (
    const [args, sentence] of [
      [["new"], /takes policy\|quantizer NAME, and got nothing/],
      [["new", "model", "x"], /Unknown kind "model"; expected policy or quantizer/],
      [["new", "policy", "a/b"], /The name is "a\/b"; expected up to 60 letters/],
      [["check", "mine"], /takes one policy or quantizer file, such as mine.ts, and got "mine"/],
    ] as const
  ) {
    const { code, stdout, stderr } = await kvreplay("new", ...args);
    assertEquals([code, stdout], [2, ""]);
    assertMatch(stderr, sentence);
  }
});

Deno.test("a new quantizer in Python says which interpreter it needs", async () => {
  await inFolder(async (folder) => {
    const made = await kvreplay("new", "new", "quantizer", "fresh", "--python", "--out", folder);
    assertEquals([made.code, made.stderr], [0, ""]);
    assertStringIncludes(made.stdout, `check ${folder}/fresh.py --python /usr/bin/python3`);
    assertStringIncludes(await Deno.readTextFile(`${folder}/fresh_test.ts`), "{ python }");
    const { code, stderr } = await kvreplay("check", "check", `${folder}/fresh.py`);
    const named = ["other", "--python", "/opt/env/bin/python", "--out", folder];
    const other = await kvreplay("new", "new", "quantizer", ...named);
    assertStringIncludes(other.stdout, `check ${folder}/other.py --python /opt/env/bin/python`);
    const test = await Deno.readTextFile(`${folder}/other_test.ts`);
    assertStringIncludes(test, '"/opt/env/bin/python"');
    assertEquals(code, 1);
    assertMatch(stderr, /AdaptiveKVQuantizer needs PyTorch, so name an interpreter that has it/);
  });
});
