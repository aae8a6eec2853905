/**
 * Fills a leaderboard of foreign text: policies that learn are given one kind of text at a time, and
 * are judged on every other kind and on the slices; what learns nothing runs once.
 *
 * @module
 */
import type { SliceName } from "../../benchmarks/slices.ts";
import { loadCalibrationData } from "../../calibration/calibration_data.ts";
import { type CalibrationText, loadCalibrationSet } from "../../calibration/calibration_set.ts";
import { type Lab, learningFrom } from "../../evaluation/lab.ts";
import { workloadOn } from "../../evaluation/misfit.ts";
import { UserError } from "../../errors.ts";
import { type BuiltinName, hostBuiltin } from "../../policies/registry.ts";
import { budgetAt } from "../../replay/question_at.ts";
import type { FailedCell, Misfit } from "../board.ts";
import type { Cell } from "../cell.ts";
import { fill, type Filled, type FillInput } from "../fill.ts";
import { type Judged, judgedSlice, judgedText } from "../judged.ts";
import { openLab, readyModel, type ReadyOptions } from "../ready_model.ts";
import { goalOf } from "./goals.ts";

/** A cell, and the kind of text that was learned from; undefined for what learns nothing. */
export interface ForeignCell {
  readonly learned: string | undefined;
  readonly cell: Cell;
}

/** What to run. */
export interface ForeignInput extends
  Pick<
    FillInput,
    "models" | "named" | "store" | "fresh" | "progress" | "signal"
  > {
  readonly slices: readonly SliceName[];
  /** Policies that are judged. */
  readonly policies: readonly BuiltinName[];
  /** Rival of a policy that has no goal of its own. */
  readonly baseline: BuiltinName;
  /** How models are opened; its texts are learned from kind by kind. */
  readonly ready: ReadyOptions;
}

/** Every cell that is there, and what failed. */
export interface ForeignFilled extends Pick<Filled, "reused"> {
  /** Kinds of text, in the order of the set. */
  readonly kinds: readonly string[];
  readonly cells: readonly ForeignCell[];
  readonly failures: readonly FailedCell[];
  readonly misfits: readonly Misfit[];
}

/**
 * Runs every cell that is not finished.
 *
 * @throws {UserError} when the texts are of one kind
 * @throws the signal's reason when it is aborted; finished cells stay in the store
 */
export async function fillForeign(input: ForeignInput): Promise<ForeignFilled> {
  const { models, slices, policies, baseline, ready } = input;
  const kinds = Map.groupBy(await textsOf(ready), ({ kind }) => kind);
  if (kinds.size < 2) {
    throw new UserError(
      `The calibration texts are all of the kind ${
        JSON.stringify([...kinds.keys()][0])
      }; expected ` +
        `two kinds at least, to learn from one and to be judged on another`,
    );
  }
  const judged = new Map<string, Judged>(slices.map((name) => [name, judgedSlice(name)]));
  for (const [kind, texts] of kinds) {
    const name = placeOfKind(kind);
    judged.set(name, judgedText(name, texts.map(wholeText).join("\n\n")));
  }
  const rivals = policies.flatMap((policy) => goalOf(policy, baseline).rivals as BuiltinName[]);
  const everyone = [...new Set([...rivals, ...policies])];
  const cells: ForeignCell[] = [];
  const failures: FailedCell[] = [];
  const misfits = new Map<string, Misfit>();
  let reused = 0;
  for (const model of models) {
    const lab = await openLab(model, ready);
    try {
      const learn = await Promise.all(everyone.map((policy) => learns(lab, policy, ready)));
      const run = async (
        own: Lab,
        learned: string | undefined,
        chosen: readonly BuiltinName[],
        names: readonly string[],
      ) => {
        const filled = await fill({
          ...input,
          models: [model],
          slices: names,
          policies: chosen,
          open: () =>
            Promise.resolve(readyModel(own, model, ready, {
              judged: (name) => judged.get(name)!,
              close: () => Promise.resolve(),
            })),
        });
        cells.push(...filled.cells.map((cell) => ({ learned, cell })));
        failures.push(...filled.failures);
        for (const misfit of filled.misfits) misfits.set(`${model} ${misfit.policy}`, misfit);
        reused += filled.reused;
      };
      const places = [...judged.keys()];
      await run(lab, undefined, everyone.filter((_, i) => !learn[i]), places);
      const learning = everyone.filter((_, i) => learn[i]);
      for (const [kind, texts] of kinds) {
        const own = learningFrom(lab, texts, ready.calibrationTokens);
        await run(own, kind, learning, places.filter((name) => name !== placeOfKind(kind)));
      }
    } finally {
      await lab.close();
    }
  }
  return { kinds: [...kinds.keys()], cells, failures, misfits: [...misfits.values()], reused };
}

/** Name of the place where a policy is judged on text of a kind. */
export function placeOfKind(kind: string): string {
  return `text:${kind}`;
}

async function textsOf({ calibrationData }: ReadyOptions): Promise<readonly CalibrationText[]> {
  return calibrationData === undefined
    ? await loadCalibrationSet()
    : await loadCalibrationData(calibrationData);
}

function wholeText({ prompt, target }: CalibrationText): string {
  return prompt === undefined ? target : `${prompt}\n\n${target}`;
}

/** Whether a policy learns on this model. */
async function learns({ shape }: Lab, policy: BuiltinName, { budgetBits }: ReadyOptions) {
  const host = hostBuiltin(policy);
  return await host.calibrationMode(workloadOn(shape), budgetAt(shape, budgetBits)) === "offline";
}
