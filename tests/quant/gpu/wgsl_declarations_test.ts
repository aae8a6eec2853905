import { assertEquals, assertThrows } from "@std/assert";
import { InternalError } from "../../../errors.ts";
import { WgslDeclarations } from "../../../quant/gpu/wgsl_declarations.ts";

const TEXT = `
// struct Commented { x: u32 }
/* @group(0) @binding(9) var<uniform> commented: u32; */
const width = 8u;
const half_width = width / 2u;
override height: u32 = 4;
override flag: bool = false;

struct Job {
  first: u32,
  pairs: array<vec2<f32>, width>, // with a comment, and a comma
  last: atomic<u32>
}

@group(0) @binding(3) var<uniform> job: Job;
@group(0) @binding(1)
var<storage, read> source: array<f32>;
@group(0) @binding(0) var<storage> also_read: array<u32>;
@group(0) @binding(7) var<storage, read_write> counts: array<atomic<u32>>;
var<workgroup> sums: array<f32, width>;
var<private> token: u32 = 0u;

fn helper(source_of: u32) -> f32 {
  return source[source_of] + f32(job.first);
}

@compute @workgroup_size(width, height)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let also_read = helper(id.x);
  sums[0] = also_read;
}

@compute @workgroup_size(1)
fn count() {
  for (var source = 0u; source < 2u; source++) {
    atomicAdd(&counts[source], 1u);
  }
}
`;

Deno.test("buffers are read with their binding, access and type", () => {
  const { buffers } = new WgslDeclarations(TEXT);
  assertEquals(
    Array.from(buffers.values(), ({ name, binding, access }) => [name, binding, access]),
    [
      ["job", 3, "uniform"],
      ["source", 1, "read"],
      ["also_read", 0, "read"],
      ["counts", 7, "read_write"],
    ],
  );
  const u32 = { name: "u32", args: [] };
  assertEquals(buffers.get("job")!.type, { name: "Job", args: [] });
  assertEquals(buffers.get("counts")!.type, {
    name: "array",
    args: [{ name: "atomic", args: [u32] }],
  });
});

Deno.test("structs are read with their members in order", () => {
  const { structs } = new WgslDeclarations(TEXT);
  assertEquals([...structs.keys()], ["Job"]);
  const members = structs.get("Job")!;
  assertEquals(members.map(({ name, type }) => [name, type.name]), [
    ["first", "u32"],
    ["pairs", "array"],
    ["last", "atomic"],
  ]);
  assertEquals(members[1]!.type.args.map(({ name }) => name), ["vec2", "width"]);
});

Deno.test("an entry point reaches what its functions use, and not what a local name hides", () => {
  const declarations = new WgslDeclarations(TEXT);
  const reached = (entryPoint: string) =>
    declarations.reachedBy(entryPoint).map(({ name }) => name).sort();
  assertEquals(reached("main"), ["job", "source"]);
  assertEquals(reached("count"), ["counts"]);
});

Deno.test("the size of a workgroup may be named by constants", () => {
  const declarations = new WgslDeclarations(TEXT);
  assertEquals(declarations.workgroupThreads("main"), 32);
  assertEquals(declarations.workgroupThreads("count"), 1);
  assertThrows(() => declarations.workgroupThreads("helper"), InternalError, '"helper"');
  assertThrows(() => declarations.number("flag"), InternalError, '"flag"');
});

Deno.test("what is not understood is refused", () => {
  const refused: [string, string][] = [
    ["alias Word = u32;", '"alias"'],
    ["struct Job { @align(16) x: u32 }", 'Member "x"'],
    ["struct Job { x u32 }", '":"'],
    ["fn main() { let x = 1;", "ends inside"],
    ["@group(0) @binding(n) var<uniform> job: Job;", '"n"'],
  ];
  for (const [text, message] of refused) {
    assertThrows(() => new WgslDeclarations(text), InternalError, message);
  }
});
