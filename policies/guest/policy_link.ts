/**
 * The evaluator's end of a process that holds one policy, whatever runs it there.
 *
 * @module
 */
import type { LaunchChild } from "../../sandbox/child.ts";
import { ChildLink } from "../../sandbox/child_link.ts";
import type { SandboxLimits } from "../../sandbox/limits.ts";
import { policyGuest } from "./policy_guest.ts";

/** A policy's text. */
export interface PolicySource {
  /** Name under which results are reported. */
  readonly name: string;
  readonly text: string;
  /** TypeScript (types are erased, enums compiled), plain JavaScript, or Python. */
  readonly language: "ts" | "js" | "py";
}

/** A process that holds one policy. */
export interface PolicyLink {
  readonly pid: number;
  /** Loads the policy; the reply says what it has. */
  hello(): Promise<string>;
  /** Asks, and waits for the reply: see `ChildLink.ask`. */
  ask(text: string, ms: number, awaited: string): Promise<string>;
  close(): Promise<void>;
}

/**
 * Starts a process for a policy.
 *
 * @throws {PolicyError} when this program may not start processes
 */
export type OpenPolicyLink = (
  source: PolicySource,
  limits: SandboxLimits,
  launch: LaunchChild,
) => PolicyLink;

/** A policy that is a JavaScript or TypeScript module. */
export const openModuleLink: OpenPolicyLink = ({ text, language }, limits, launch) => {
  const link = new ChildLink(() => launch(limits, policyGuest), limits);
  return {
    pid: link.pid,
    hello: () => link.hello({ source: text, language: language === "ts" ? "ts" : "js" }),
    ask: (question, ms, awaited) => link.ask(question, ms, awaited),
    close: () => link.close(),
  };
};
