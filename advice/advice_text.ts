/**
 * Advice in words and as a table.
 *
 * @module
 */
import { alignedRows } from "../report/table.ts";
import { type Advice, adviceByEngine, type EngineAdvice, type JudgedSetting } from "./advice.ts";

const MIB = 2 ** 20;

/** Flags to use, a table of all settings, and where those break that lose too much. */
export function adviceText(advice: Advice): string {
  const { settings, refused, context, examples, fullBytes, mostLoss } = advice;
  const rows = settings.map((setting) => [
    `${setting.engine} ${setting.flags}`,
    setting.bits.toFixed(2),
    (setting.bytes / MIB).toFixed(1),
    lossText(setting),
    `${setting.worst.dataset} ${setting.worst.loss.toFixed(2)}`,
  ]);
  const titles = ["setting", "bits", "MiB", "loss (95 %)", "most in"];
  const parts = [
    adviceByEngine(advice).map((own) => adviceSentence(own, advice)),
    [
      "",
      `At ${context} tokens, ${(fullBytes / MIB).toFixed(1)} MiB in 16 bits; losses in points of ` +
      `quality_main, of ${examples} examples:`,
      ...alignedRows([titles, ...rows]),
    ],
    settings.flatMap((setting) => breakingSentence(setting, mostLoss)),
    refused.map(({ engine, flags, reason }) => `${engine} ${flags} was not replayed: ${reason}`),
  ];
  return parts.flat().join("\n");
}

/** The loss of a setting and its interval. */
export function lossText({ loss, interval: { low, high } }: JudgedSetting): string {
  return `${loss.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`;
}

/** What to give to an engine, in a sentence. */
export function adviceSentence(
  { engine, setting, perhaps }: EngineAdvice,
  { mostLoss, fullBytes }: Pick<Advice, "mostLoss" | "fullBytes">,
): string {
  const points = mostLoss === 1 ? "1 point" : `${mostLoss} points`;
  const use = setting === undefined
    ? `${engine}: leave the cache as it is: no setting is sure to lose at most ${points}`
    : `${engine}: ${setting.flags} loses ${lossText(setting)} points and takes ${
      (setting.bytes / MIB).toFixed(1)
    } MiB, ${(fullBytes / setting.bytes).toFixed(2)} times less`;
  if (perhaps === undefined) return use;
  return `${use}; ${perhaps.flags} lost ${
    perhaps.loss.toFixed(2)
  }, which more examples may confirm`;
}

/** Where a setting breaks, if it loses too much. */
export function breakingSentence(
  { engine, flags, breaks, loss, worst }: JudgedSetting,
  mostLoss: number,
): string[] {
  if (loss <= mostLoss) return [];
  const where = breaks === undefined
    ? "in no layer by itself"
    : `first in the ${breaks.kind}s of layer ${breaks.layer}, which lose ${
      breaks.loss.toFixed(2)
    } points of ${breaks.example} alone`;
  return [`${engine} ${flags} breaks on ${worst.dataset}, ${where}`];
}
