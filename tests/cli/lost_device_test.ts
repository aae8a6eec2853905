import { assertEquals, assertMatch } from "@std/assert";
import { main } from "../../cli/main.ts";
import { Workbench } from "../../quant/gpu/workbench.ts";
import { device as gpu } from "../quant/backends.ts";
import { inTemporaryFolder } from "../temporary_folder.ts";

/** Lines of the files in a folder; none where it is not there. */
function linesIn(folder: string): number {
  try {
    return [...Deno.readDirSync(folder)].reduce(
      (sum, { name }) => sum + Deno.readTextFileSync(`${folder}/${name}`).split("\n").length - 1,
      0,
    );
  } catch {
    return 0;
  }
}

/** Takes the GPU away, in the middle of what is submitted, as soon as something is so. */
function loseDevice(when: () => boolean): Disposable & { readonly devices: readonly GPUDevice[] } {
  const { requestDevice } = GPUAdapter.prototype;
  const devices: GPUDevice[] = [];
  let lost = false;
  GPUAdapter.prototype.requestDevice = async function (...options) {
    const device = await requestDevice.apply(this, options);
    devices.push(device);
    const submit = device.queue.submit.bind(device.queue);
    device.queue.submit = (commands) => {
      if (!lost && when()) {
        lost = true;
        device.destroy();
      }
      submit(commands);
    };
    return device;
  };
  return {
    devices,
    [Symbol.dispose]() {
      GPUAdapter.prototype.requestDevice = requestDevice;
    },
  };
}

/** What is told on standard error meanwhile. */
async function told(work: () => Promise<void>): Promise<string[]> {
  const { error } = console;
  const lines: string[] = [];
  console.error = (line) => lines.push(line);
  try {
    await work();
  } finally {
    console.error = error;
  }
  return lines;
}

Deno.test({
  name: "a GPU that is lost in the middle of a run leaves what was finished, marked partial",
  ignore: gpu === undefined,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      const out = `${folder}/out`;
      // A line for the run, and one for its first example.
      using loss = loseDevice(() => linesIn(`${out}/unfinished`) >= 2);
      let code: number | undefined;
      const args = [
        ...["reasoning", "--device", "webgpu", "--policy", "reference,kivi_overlap_4bit"],
        ...["--limit", "3", "--max-new-tokens", "2", "--no-cache", "--quiet", "--out", out],
      ];
      const lines = await told(async () => {
        code = await main(args);
      });
      assertEquals(code, 1);
      const sentence =
        /^kvreplay: The GPU gave nothing back \(.*\): its driver started anew, or it was taken away; run again, or use --device cpu$/;
      assertMatch(lines.at(-1)!, sentence);
      assertEquals(lines.slice(0, -1), [`What was finished is in ${out}, marked partial`]);
      const read = async () => JSON.parse(await Deno.readTextFile(`${out}/metrics.json`));
      const { partial, ended_by, slices } = await read();
      assertEquals([partial, `kvreplay: ${ended_by}`], [true, lines.at(-1)]);
      const examples = (part: { policies: { examples: unknown[] }[] }) =>
        part.policies.map(({ examples }) => examples.length);
      assertEquals([slices.length, slices[0].partial, examples(slices[0])], [1, true, [1, 1]]);
      assertEquals(loss.devices.map((device) => Workbench.of(device).live), [0]);

      // The same command goes on from there.
      const again = await told(async () => {
        code = await main(args);
      });
      assertEquals(again, [
        "Slice reasoning goes on behind 1 of 3 examples that an earlier run has finished",
      ]);
      const whole = await read();
      assertEquals([code, whole.partial, examples(whole.slices[0])], [0, false, [3, 3]]);
      assertEquals(loss.devices.map((device) => Workbench.of(device).live), [0, 0]);
    }),
});
