/** Which device files a process sees that is shown one GPU. */
import { assertEquals } from "@std/assert";
import { gpuFiles, seeingOne } from "../../sweep/visible_gpus.ts";
import { inTemporaryFolder } from "../temporary_folder.ts";

/** A folder of device files, which are ordinary ones. */
async function inDevices(
  names: readonly string[],
  body: (folder: string) => Promise<void>,
): Promise<void> {
  await inTemporaryFolder(async (folder) => {
    await Deno.mkdir(`${folder}/dri`);
    for (const name of names) await Deno.writeTextFile(`${folder}/${name}`, name);
    await body(folder);
  });
}

const NVIDIA = ["nvidia0", "nvidia1", "nvidia10", "nvidiactl", "nvidia-uvm"];
const DRI = ["dri/card0", "dri/renderD128", "dri/renderD129"];

Deno.test("GPUs are counted by their device files, NVIDIA's before others", async () => {
  const names = (folder: string) => gpuFiles(folder).map(({ name }) => name);
  await inDevices([...NVIDIA, ...DRI], (folder) => {
    assertEquals(names(folder), ["nvidia0", "nvidia1", "nvidia10"]);
    return Promise.resolve();
  });
  await inDevices(DRI, (folder) => {
    assertEquals(names(folder), ["dri/renderD128", "dri/renderD129"]);
    return Promise.resolve();
  });
  await inDevices([], (folder) => {
    assertEquals([names(folder), names(`${folder}/none`)], [[], []]);
    return Promise.resolve();
  });
});

const hasBubblewrap = await Deno.stat("/usr/bin/bwrap").then(() => true, () => false);

Deno.test({
  name: "a process that is shown one GPU has its files, those that all share, and no other's",
  ignore: !hasBubblewrap,
  fn: () =>
    inDevices([...NVIDIA, ...DRI], async (folder) => {
      const seen = async (name: string) => {
        const list = { command: "/usr/bin/find", args: [folder, "-type", "f", "-printf", "%P\n"] };
        const { command, args } = seeingOne({ name }, list, folder);
        const { stdout } = await new Deno.Command(command, { args: [...args] }).output();
        return new TextDecoder().decode(stdout).trim().split("\n")
          .filter((path) => /^(nvidia|dri)/.test(path)).sort();
      };
      assertEquals(await seen("nvidia1"), ["nvidia-uvm", "nvidia1", "nvidiactl"]);
      assertEquals(await seen("dri/renderD129"), ["dri/renderD129"]);
    }),
});
