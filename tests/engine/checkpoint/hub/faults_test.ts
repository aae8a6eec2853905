/** Everything that can go wrong on the way: what is tried again, what is told, what is kept. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { UserError } from "../../../../errors.ts";
import { commitOf, GOOD_TOKEN, sha256, TOKEN } from "./fake_hub.ts";
import {
  cutAfter,
  longer,
  redirect,
  slowly,
  standsStillAfter,
  status,
  tampered,
  wholeFile,
} from "./faults.ts";
import { FetchScene } from "./fetch_scene.ts";
import { GATED, PRIVATE, WHOLE } from "./repos.ts";

const WEIGHTS = WHOLE.revisions.main!["model.safetensors"]!;
const LENGTH = WEIGHTS.length;

/** The part of the weights that every request for them asked for. */
function ranges({ hub }: FetchScene): (string | null)[] {
  return hub.requests.filter(({ host }) => host === "cdn").map(({ headers }) =>
    headers.get("range")
  );
}

/** Files of the cache that are not complete or not published. */
function leftovers(scene: FetchScene): string[] {
  return Object.keys(scene.files()).filter((path) => /incomplete|\/(refs|snapshots)\//.test(path));
}

async function assertFetched(scene: FetchScene): Promise<void> {
  const { path } = await scene.fetch(WHOLE.name);
  assertEquals(await Deno.readFile(`${path}/model.safetensors`), WEIGHTS);
  assertEquals(leftovers(scene).filter((file) => file.endsWith(".incomplete")), []);
}

Deno.test("a download that is cut goes on where it was cut", async () => {
  await using scene = await FetchScene.open(WHOLE);
  scene.hub.fail("cdn", /./, cutAfter(30_000));
  scene.hub.fail("cdn", /./, cutAfter(20_000));
  await assertFetched(scene);
  assertEquals(ranges(scene), [null, "bytes=30000-", "bytes=50000-"]);
  const received = scene.progress.reduce((sum, at) => sum + at.received, 0);
  assertEquals(received, scene.progress.at(-1)!.total);
  assertEquals(scene.pauses, [1000, 1000]);
  assertStringIncludes(scene.notices[0]!, "trying again in 1 s");
});

Deno.test("wherever a download is cut, every byte comes once", async () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 40_000 }), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(cuts, async (counts) => {
      await using scene = await FetchScene.open(WHOLE);
      for (const count of counts) scene.hub.fail("cdn", /./, cutAfter(count));
      await assertFetched(scene);
      let at = 0;
      const expected: (string | null)[] = [null];
      for (const count of counts) {
        at += count;
        // What is cut after its last byte is whole.
        if (at >= LENGTH) break;
        expected.push(`bytes=${at}-`);
      }
      assertEquals(ranges(scene), expected);
    }),
    { numRuns: 8 },
  );
});

Deno.test("a download that is cut too often is given up, and the next one goes on with it", async () => {
  await using scene = await FetchScene.open(WHOLE);
  scene.hub.fail("cdn", /./, cutAfter(30_000));
  scene.hub.fail("cdn", /./, cutAfter(0), 4);
  await assertRejects(
    () => scene.fetch(WHOLE.name),
    UserError,
    "and 4 more attempts changed nothing: try again later",
  );
  // Pauses grow until something was achieved.
  assertEquals(scene.pauses, [1000, 2000, 4000, 8000]);
  assertEquals(leftovers(scene).length, 1);
  const asked = ranges(scene).length;
  await assertFetched(scene);
  assertEquals(ranges(scene).slice(asked), ["bytes=30000-"]);
});

Deno.test("a slow download is a good one", async () => {
  await using scene = await FetchScene.open(WHOLE);
  scene.hub.fail("cdn", /./, slowly(20, 20));
  await assertFetched(scene);
  assertEquals([scene.pauses, ranges(scene)], [[], [null]]);
  const steps = scene.progress.filter(({ path }) => path === "model.safetensors");
  assert(steps.length >= 20, `${steps.length} steps of progress`);
});

Deno.test("a server that stands still is asked again", async () => {
  await using scene = await FetchScene.open(WHOLE);
  const { promise, resolve } = Promise.withResolvers<void>();
  scene.hub.fail("cdn", /./, standsStillAfter(40_000, promise));
  const { path } = await scene.fetch(WHOLE.name, { answerMs: 1500 });
  resolve();
  assertEquals(await Deno.readFile(`${path}/model.safetensors`), WEIGHTS);
  assertEquals(ranges(scene), [null, "bytes=40000-"]);
  assertStringIncludes(scene.notices[0]!, "has sent nothing for 1.5 s; trying again in 1 s");
});

Deno.test("a server that sends the whole file for a part of it is taken at its word", async () => {
  await using scene = await FetchScene.open(WHOLE);
  scene.hub.fail("cdn", /./, cutAfter(30_000));
  scene.hub.fail("cdn", /./, wholeFile(WEIGHTS));
  await assertFetched(scene);
  assertEquals(ranges(scene), [null, "bytes=30000-"]);
});

Deno.test("contents that are tampered with are refused, and nothing of them is kept", async () => {
  for (
    const [fault, wrong] of [
      [tampered(50_000), "its sha256 is "],
      [longer, `it is longer than ${LENGTH} bytes`],
    ] as const
  ) {
    await using scene = await FetchScene.open(WHOLE);
    scene.hub.fail("cdn", /./, fault);
    const { message } = await assertRejects(() => scene.fetch(WHOLE.name), UserError);
    assertStringIncludes(
      message,
      `What came as model.safetensors of acme/Wide-0.1B is not what the hub lists: ${wrong}`,
    );
    assertEquals(leftovers(scene), []);
    await assertFetched(scene);
  }
});

Deno.test("a small file is held to git's own hash", async () => {
  await using scene = await FetchScene.open(WHOLE);
  scene.hub.fail("hub", /resolve-cache.*tokenizer\.json$/, tampered(7));
  await assertRejects(() => scene.fetch(WHOLE.name), UserError, "its git-sha1 is ");
  assertEquals(leftovers(scene), []);
});

Deno.test("parts that do not fit together are dropped once, and the file comes whole", async () => {
  await using scene = await FetchScene.open(WHOLE);
  scene.hub.fail("cdn", /./, async (good, request) => {
    const spoilt = await tampered(10)(good, request);
    return await cutAfter(30_000)(spoilt, request);
  });
  await assertFetched(scene);
  assertEquals(ranges(scene), [null, "bytes=30000-", null]);
  assertStringIncludes(
    scene.notices.join("\n"),
    "The parts of model.safetensors do not fit together; downloading it anew",
  );
});

Deno.test("what an earlier attempt left is no more trusted than what comes", async () => {
  await using scene = await FetchScene.open(WHOLE);
  const blobs = `${scene.cacheFolder}/models--acme--Wide-0.1B/blobs`;
  await Deno.mkdir(blobs, { recursive: true });
  const unfinished = `${blobs}/${sha256(WEIGHTS)}.kvreplay.incomplete`;
  // A beginning that is another file's, a whole file that is wrong, and one that is too long.
  for (const left of [new Uint8Array(500), WEIGHTS.with(3, 9), new Uint8Array(LENGTH + 10)]) {
    await Deno.writeFile(unfinished, left);
    await assertFetched(scene);
    await Deno.remove(`${blobs}/${sha256(WEIGHTS)}`);
  }
  await Deno.writeFile(unfinished, new Uint8Array([...WEIGHTS, 1, 2, 3]));
  const asked = ranges(scene).length;
  await assertFetched(scene);
  assertEquals(ranges(scene).length, asked);
});

Deno.test("a busy server is asked again when it says, and a broken one a few times", async () => {
  const passing: [code: number, headers: Record<string, string>, ms: number][] = [
    [429, { "retry-after": "17" }, 17_000],
    [503, { "retry-after": new Date(Date.now() + 60_000).toUTCString() }, 60_000],
    [429, {}, 1000],
    [500, {}, 1000],
    [502, { "retry-after": "soon" }, 1000],
    [504, { "retry-after": "0" }, 1000],
  ];
  for (const [code, headers, ms] of passing) {
    for (const path of [/\/revision\//, /\/tree\//, /\/resolve\//]) {
      await using scene = await FetchScene.open(WHOLE);
      scene.hub.fail("hub", path, status(code, headers));
      await assertFetched(scene);
      assertEquals(scene.pauses.length, 1);
      assert(Math.abs(scene.pauses[0]! - ms) < 5000, `${code}: ${scene.pauses[0]} ms`);
    }
  }
  await using scene = await FetchScene.open(WHOLE);
  scene.hub.fail("hub", /\/resolve\//, status(503), 100);
  await assertRejects(
    () => scene.fetch(WHOLE.name),
    UserError,
    `${
      new URL(scene.hub.endpoint).host
    } answers 503 for acme/Wide-0.1B, and 4 more attempts changed nothing: try again later`,
  );
  assertEquals(scene.pauses, [1000, 2000, 4000, 8000]);
  assertEquals(leftovers(scene), []);
});

Deno.test("a server that asks for a long pause is not waited for", async () => {
  await using scene = await FetchScene.open(WHOLE);
  scene.hub.fail("hub", /./, status(429, { "retry-after": "3600" }));
  await assertRejects(() => scene.fetch(WHOLE.name), UserError, "and asks to wait for 3600 s");
  assertEquals(scene.pauses, []);
});

Deno.test("a listing that is cut is asked for again", async () => {
  await using scene = await FetchScene.open(WHOLE);
  scene.hub.fail("hub", /\/tree\//, cutAfter(100));
  await assertFetched(scene);
});

Deno.test("what is refused is told in one sentence, and not tried again", async () => {
  const denied: [name: string, token: string | undefined, sentence: string][] = [
    [
      "acme/None",
      undefined,
      "has no model acme/None, or shows it only to some: check the name, and set HF_TOKEN if it is a private one",
    ],
    ["acme/None", TOKEN, "has no model acme/None, or shows it only to some: check the name"],
    [PRIVATE.name, undefined, "has no model acme/Private, or shows it only to some"],
    [
      WHOLE.name,
      "hf_unknown",
      "does not know the token that it was sent for acme/Wide-0.1B: log in again with hf auth login, or set HF_TOKEN",
    ],
    [
      `${WHOLE.name}@refs/pr/9`,
      undefined,
      'The model acme/Wide-0.1B has no revision "refs/pr/9": give a branch, a tag or a commit that is there',
    ],
    [
      `${WHOLE.name}@${"9".repeat(40)}`,
      undefined,
      `The model acme/Wide-0.1B has no revision "${"9".repeat(40)}"`,
    ],
    [GATED.name, undefined, "The model acme/Gated is gated: ask for access at "],
    [GATED.name, TOKEN, "The model acme/Gated is gated: ask for access at "],
  ];
  for (const [name, token, sentence] of denied) {
    await using scene = await FetchScene.open(WHOLE, PRIVATE, GATED);
    const { message } = await assertRejects(
      () => scene.fetch(name, token === undefined ? {} : { token }),
      UserError,
      sentence,
    );
    assert(!message.includes("\n") && !message.includes(token ?? "\n"), message);
    assertEquals([scene.pauses, leftovers(scene)], [[], []]);
  }
  await using scene = await FetchScene.open(PRIVATE, GATED);
  await scene.fetch(PRIVATE.name, { token: TOKEN });
  await scene.fetch(GATED.name, { token: GOOD_TOKEN });
});

Deno.test("a file that is listed and not there is told by its path", async () => {
  await using scene = await FetchScene.open(WHOLE);
  scene.hub.fail(
    "hub",
    /\/resolve\/.*tokenizer\.json/,
    status(404, { "x-error-code": "EntryNotFound" }),
  );
  await assertRejects(
    () => scene.fetch(WHOLE.name),
    UserError,
    `The model acme/Wide-0.1B has no file /acme/Wide-0.1B/resolve/${
      commitOf(WHOLE, "main")
    }/tokenizer.json`,
  );
});

Deno.test("a refusal of the host behind the hub is told as that, and so is a strange one", async () => {
  await using scene = await FetchScene.open(WHOLE);
  for (const [host, where] of [["cdn", scene.hub.cdn], ["hub", scene.hub.endpoint]] as const) {
    scene.hub.fail(host, host === "cdn" ? /./ : /\/revision\//, status(403));
    const { message } = await assertRejects(() => scene.fetch(WHOLE.name), UserError);
    assertEquals(
      message,
      host === "cdn"
        ? `${new URL(where).host}, where the hub keeps files of acme/Wide-0.1B, answers 403`
        : `The hub at ${where} answers 403 for /api/models/acme/Wide-0.1B/revision/main`,
    );
    assertEquals(scene.pauses, []);
  }
});

Deno.test("the token goes to the hub and to no other host, and neither does its address", async () => {
  await using scene = await FetchScene.open(WHOLE);
  // A repository that was renamed: the hub leads to another address of its own.
  scene.hub.fail("hub", /\/revision\//, (good, { path }) => redirect(307, `${path}?renamed`)(good));
  await scene.fetch(WHOLE.name, { token: TOKEN });
  for (const { host, path, headers } of scene.hub.requests) {
    assertEquals(headers.get("authorization"), host === "hub" ? `Bearer ${TOKEN}` : null, path);
  }
  assertEquals(scene.hub.paths("cdn").length, 1);
});

Deno.test("a redirect without end, or to what is no web address, is not followed", async () => {
  for (const to of ["file:///etc/passwd", "javascript:alert(1)", "data:,x"]) {
    await using scene = await FetchScene.open(WHOLE);
    scene.hub.fail("hub", /\/resolve\//, redirect(302, to));
    await assertRejects(
      () => scene.fetch(WHOLE.name),
      UserError,
      `redirects to ${JSON.stringify(to)}, which is not safe to follow`,
    );
  }
  await using scene = await FetchScene.open(WHOLE);
  scene.hub.fail("hub", /\/resolve\//, (good, { path }) => redirect(302, path)(good), 100);
  await assertRejects(() => scene.fetch(WHOLE.name), UserError, "without end");
});

Deno.test("an answer that no hub gives is told, not taken", async () => {
  const strange: [path: RegExp, body: string, sentence: string][] = [
    [/\/revision\//, "<html>log in to this network</html>", "does not answer as a hub does"],
    [
      /\/revision\//,
      '{"sha": "../../etc"}',
      'is at commit "../../etc"; a hub would give 40 digits',
    ],
    [/\/tree\//, '{"not": "a list"}', "does not answer as a hub does"],
    [
      /\/tree\//,
      '[{"type": "file", "path": "config.json", "size": 2, "oid": "../../../x"}]',
      'lists config.json of acme/Wide-0.1B with the hash "../../../x"',
    ],
    [
      /\/tree\//,
      `[{"type": "file", "path": "config.json", "size": -2, "oid": "${"a".repeat(40)}"}]`,
      "and the size -2; a hub would give both",
    ],
  ];
  for (const [path, body, sentence] of strange) {
    await using scene = await FetchScene.open(WHOLE);
    scene.hub.fail("hub", path, () => new Response(body));
    await assertRejects(() => scene.fetch(WHOLE.name), UserError, sentence);
    assertEquals(scene.files(), {});
  }
});

Deno.test("files whose paths lead out of their folder are not there", async () => {
  await using scene = await FetchScene.open(WHOLE);
  const oid = "a".repeat(40);
  const entry = (path: string) => ({ type: "file", path, size: 2, oid });
  scene.hub.fail(
    "hub",
    /\/tree\//,
    () =>
      Response.json(["../config.json", "/tokenizer.json", "a/../tokenizer_config.json"].map(entry)),
  );
  await assertRejects(
    () => scene.fetch(WHOLE.name),
    UserError,
    "has no model.safetensors, tokenizer.json, tokenizer_config.json, config.json at commit",
  );
  assertEquals(scene.files(), {});
});

Deno.test("a host that cannot be reached is told by its name", async () => {
  await using gone = await FetchScene.open(WHOLE);
  const { endpoint } = gone.hub;
  await using scene = await FetchScene.open(WHOLE);
  await gone.hub[Symbol.asyncDispose]();
  await assertRejects(
    () => scene.fetch(WHOLE.name, { endpoint }),
    UserError,
    `${new URL(endpoint).host} cannot be reached or broke off: `,
  );
  assertEquals(scene.pauses, [1000, 2000, 4000, 8000]);
});

Deno.test("a cache that cannot be written is told", async () => {
  await using scene = await FetchScene.open(WHOLE);
  await Deno.writeTextFile(`${scene.cacheFolder}/models--acme--Wide-0.1B`, "a file in its place");
  await assertRejects(
    () => scene.fetch(WHOLE.name),
    UserError,
    `The hub's cache at ${scene.cacheFolder}/models--acme--Wide-0.1B cannot be written: `,
  );
});
