/** The live page: what it answers, and what a real browser makes of it. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { CellStore } from "../../leaderboard/cell_store.ts";
import { FolderBoards } from "../../serve/folder_boards.ts";
import { serveBoards } from "../../serve/server.ts";
import { parseSweep, type SweepCell } from "../../sweep/definition.ts";
import { LiveFile } from "../../sweep/live.ts";
import { writeRecord } from "../../sweep/record.ts";
import { chromium } from "../leaderboard/report/chromium.ts";
import { sampleCell } from "../leaderboard/sample_board.ts";
import { inTemporaryFolder } from "../temporary_folder.ts";
import { BrowserPage } from "./browser.ts";

const NEXT: SweepCell = {
  ...{ model: "mini", benchmark: "needle", policy: "kivi_overlap_2bit", seed: 1 },
};

/** A folder with a sweep that is running, two of its cells there, and a leaderboard. */
async function fillFolder(folder: string): Promise<LiveFile> {
  const sweep = parseSweep("models: mini\nseeds: [1]\npolicies: kivi_overlap_2bit", "a.yaml");
  const store = new CellStore(`${folder}/sweep/cells`);
  await store.save(sampleCell("mini", "needle", "reference"));
  await store.save(sampleCell("mini", "needle", "uniform_quant_4bit"));
  writeRecord(`${folder}/sweep`, {
    ...{ sweep, shard: { index: 1, count: 1 } },
    program: { version: "0.1.0", commit: "unknown", sources: {} },
    outcomes: [{ cell: NEXT, kind: "failed", reason: "Policy <b>broke</b>" }],
  });
  await Deno.mkdir(`${folder}/done/cells`, { recursive: true });
  await new CellStore(`${folder}/done/cells`).save(sampleCell("mini", "reasoning", "reference"));
  await Deno.writeTextFile(`${folder}/done/report.html`, "<!doctype html><p>It is finished");
  const live = new LiveFile(`${folder}/sweep`, "1-of-1", 2, 6);
  live.busy(0, NEXT);
  live.progress(2);
  return live;
}

async function withServer(
  body: (address: string, folder: string, live: LiveFile) => Promise<void>,
): Promise<void> {
  await inTemporaryFolder(async (folder) => {
    using live = await fillFolder(folder);
    const { promise, resolve } = Promise.withResolvers<string>();
    await using _server = serveBoards({
      sources: [new FolderBoards(folder)],
      ...{ hostname: "127.0.0.1", port: 0, listening: resolve },
    });
    await body(await promise, folder, live);
  });
}

Deno.test("the page and its parts are read-only, escaped, and for this machine's names alone", () =>
  withServer(async (address, folder) => {
    const get = async (path: string, init?: RequestInit) => {
      const response = await fetch(new URL(path, address), init);
      return { status: response.status, headers: response.headers, text: await response.text() };
    };
    const page = await get("/");
    assertEquals(page.status, 200);
    assertStringIncludes(page.text, "uniform_quant_4bit");
    assertStringIncludes(page.text, "Policy &lt;b&gt;broke&lt;/b&gt;");
    assertStringIncludes(page.text, "mini needle kivi_overlap_2bit seed 1");
    const policy = page.headers.get("content-security-policy")!;
    assertMatch(policy, /^default-src 'none'; style-src 'self'; script-src 'self'; /);
    assertEquals(/https?:/.test(policy), false);
    // Nothing is loaded but its own script and style sheet.
    const loaded = [...page.text.matchAll(/\b(?:src|href)="([^"]+)"/g)].map(([, url]) => url!);
    assertEquals(loaded.filter((url) => !url.startsWith("/")), []);

    const narrow = await get("/live?most=8&policy=uniform");
    assertStringIncludes(narrow.text, "Cells: 1 of 2");
    assertStringIncludes((await get("/live?model=none")).text, "No cell is shown");
    assertStringIncludes((await get("/live?board=done")).text, "Nothing is running");
    const report = await get("/report?board=done");
    assertEquals([report.status, report.text], [200, "<!doctype html><p>It is finished"]);
    for (const path of ["/report?board=../done", "/report?board=sweep", "/done/report.html"]) {
      assertEquals((await get(path)).status, 404, path);
    }
    for (const method of ["POST", "PUT", "DELETE"]) {
      assertEquals((await get("/", { method })).status, 405, method);
    }
    const { port } = new URL(address);
    using stranger = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
    await stranger.write(
      new TextEncoder().encode(`GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n`),
    );
    assertMatch(await new Response(stranger.readable).text(), /^HTTP\/1\.1 403 /);
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), ["done", "sweep"]);
  }));

Deno.test({
  name: "in a browser cells come as they are finished, and filters redraw the plot",
  ignore: chromium === undefined,
  fn: () =>
    withServer(async (address, folder, live) => {
      await using page = await BrowserPage.open(address);
      const marks = `[...document.querySelectorAll("#figure-pareto [data-policy]")]
        .map((mark) => mark.dataset.policy).sort().join()`;
      assertEquals(await page.value(marks), "reference,uniform_quant_4bit");
      assertEquals(
        await page.value(`document.querySelector(".workers tbody").rows[0].cells[2].textContent`),
        "mini needle kivi_overlap_2bit seed 1",
      );
      // It is drawn in the report's own style, which its policy lets through.
      assertEquals(
        await page.value(`getComputedStyle(document.querySelector(".front-line")).fill`),
        "none",
      );
      assert(await page.value<number>(`document.querySelector("figure svg").clientWidth`) > 400);

      // A cell comes, by itself.
      await new CellStore(`${folder}/sweep/cells`)
        .save(sampleCell("mini", "needle", "kivi_overlap_2bit"));
      live.busy(0, undefined);
      live.progress(3);
      await page.until(`${marks} === "kivi_overlap_2bit,reference,uniform_quant_4bit"`);
      assertEquals(await page.value(`document.querySelector("progress").value`), 3);

      const fill = (name: string, value: string) =>
        page.value(`{
          const field = document.querySelector('[name="${name}"]');
          field.value = "${value}";
          field.dispatchEvent(new Event("input", { bubbles: true }));
        }`);
      await fill("most", "4.5");
      await page.until(`${marks} === "kivi_overlap_2bit"`);
      await fill("most", "");
      await fill("policy", "uniform");
      await page.until(`${marks} === "uniform_quant_4bit"`);
      assertStringIncludes(await page.value<string>("location.search"), "policy=uniform");

      const loaded = await page.value<string[]>(
        `performance.getEntriesByType("resource").map(({ name }) => new URL(name).origin)`,
      );
      assertEquals([...new Set(loaded)], [new URL(address).origin]);
    }),
});
