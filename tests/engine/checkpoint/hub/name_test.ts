import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { UserError } from "../../../../errors.ts";
import {
  hubNameText,
  isCommit,
  isRepoPath,
  parseHubName,
} from "../../../../engine/checkpoint/hub/name.ts";

const model = (name: string) => ({ type: "model" as const, name });

Deno.test("a name has a repository, and may have a revision and a file", () => {
  assertEquals(parseHubName("Qwen/Qwen2.5-0.5B-Instruct"), {
    repo: model("Qwen/Qwen2.5-0.5B-Instruct"),
    revision: "main",
  });
  assertEquals(parseHubName("acme/x@refs/pr/1"), { repo: model("acme/x"), revision: "refs/pr/1" });
  assertEquals(parseHubName("acme/x:q8/x-00001-of-00002.gguf"), {
    repo: model("acme/x"),
    revision: "main",
    file: "q8/x-00001-of-00002.gguf",
  });
  assertEquals(parseHubName("a_b/c.d@v1.0:x.gguf"), {
    repo: model("a_b/c.d"),
    revision: "v1.0",
    file: "x.gguf",
  });
});

Deno.test("a path, an embedded model or a word is no name of the hub", () => {
  const others = [
    ...["mini", "gpt2", "", "/", "./acme/x", "../acme/x", "/acme/x", "~/x", "acme/", "/x", "a/b/c"],
    ...["C:\\models\\x", "acme\\x", "acme /x", "a:b/c", "a@b/c", "models/x/", ".hidden/x"],
  ];
  for (const text of others) assertEquals(parseHubName(text), undefined, text);
});

Deno.test("what has the shape of a name and cannot be one is refused with what would be right", () => {
  const wrong: [text: string, sentence: string][] = [
    ["ac--me/x", '"ac--me/x" is no name of a model: owner and name have letters'],
    ["acme/x..y", "is no name of a model"],
    ["acme/-x", "is no name of a model"],
    ["acme/x.git", "is no name of a model"],
    ["acme/ä", "is no name of a model"],
    [`acme/${"x".repeat(97)}`, "is no name of a model"],
    ["acme/x@", '"acme/x@" names no revision after "@": give a branch, a tag or a commit'],
    ["acme/x@../../y", "names no revision"],
    ["acme/x@/etc", "names no revision"],
    ["acme/x@a b", "names no revision"],
    ["acme/x@-f", "names no revision"],
    ["acme/x@main.lock", "names no revision"],
    ["acme/x:", '"acme/x:" names no GGUF file after ":": give its path in the repository'],
    ["acme/x:model.bin", "names no GGUF file"],
    ["acme/x:../../up.gguf", "names no GGUF file"],
    ["acme/x:/etc/x.gguf", "names no GGUF file"],
    ["acme/x:a\\b.gguf", "names no GGUF file"],
    ["acme/x:a:b.gguf", "names no GGUF file"],
  ];
  for (const [text, sentence] of wrong) {
    assertThrows(() => parseHubName(text), UserError, sentence, text);
  }
});

Deno.test("a name that was read is written as it was", () => {
  const word = fc.stringMatching(/^[a-z0-9]{1,8}$/);
  const name = fc.record({
    owner: word,
    name: word,
    revision: fc.option(word.filter((r) => r !== "main"), { nil: undefined }),
    file: fc.option(word, { nil: undefined }),
  });
  fc.assert(fc.property(name, ({ owner, name, revision, file }) => {
    const text = `${owner}/${name}${revision ? `@${revision}` : ""}${file ? `:${file}.gguf` : ""}`;
    assertEquals(hubNameText(parseHubName(text)!), text);
  }));
});

Deno.test("no path of a repository leaves the folder it is put in", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom("a", ".", "/", "\\", "\0", " ") }), (path) => {
      if (!isRepoPath(path)) return;
      const { pathname } = new URL(path, "file:///folder/");
      assertEquals(pathname.startsWith("/folder/") && pathname.length > "/folder/".length, true);
    }),
  );
  assertEquals(isRepoPath("onnx/model.onnx"), true);
});

Deno.test("only forty digits are a commit", () => {
  assertEquals(["0".repeat(40), "0".repeat(39), "A".repeat(40), "main"].map(isCommit), [
    ...[true, false, false, false],
  ]);
});
