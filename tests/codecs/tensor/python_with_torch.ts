/** A virtual environment of the system's interpreter with the stand-in for PyTorch (torch.py). */
import { PYTHON } from "../../policies/python/bubblewrap_here.ts";

/** Makes it in a folder; gives the path of its interpreter. */
export async function pythonWithTorch(folder: string): Promise<string> {
  const { stdout } = await new Deno.Command(PYTHON, {
    args: ["-c", "import sys; print('python%d.%d' % sys.version_info[:2])"],
  }).output();
  const library = `${folder}/lib/${new TextDecoder().decode(stdout).trim()}/site-packages`;
  for (const made of [`${folder}/bin`, library]) await Deno.mkdir(made, { recursive: true });
  await Deno.writeTextFile(`${folder}/pyvenv.cfg`, "home = /usr/bin\n");
  await Deno.symlink(PYTHON, `${folder}/bin/python3`);
  await Deno.copyFile(new URL("torch.py", import.meta.url), `${library}/torch.py`);
  return `${folder}/bin/python3`;
}
