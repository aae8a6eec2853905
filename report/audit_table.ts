/**
 * An audit as a table: one line per layer, kind and buffer.
 *
 * @module
 */
import type { Audit, AuditedTensor } from "../replay/audit.ts";
import { alignedRows } from "./table.ts";

function lines(tensor: AuditedTensor): string[][] {
  const place = `${tensor.layer} ${tensor.kind}`;
  const widths = [...new Set(tensor.codeBits)].map((bits) => Number(bits.toFixed(3))).join("/");
  const held = tensor.buffers.map(({ role, bytes }, i) => [
    place,
    tensor.family,
    role,
    String(bytes),
    i === 0 ? widths || "-" : "-",
    i === 0 ? tensor.wordsHash ?? "-" : "-",
    "-",
  ]);
  return [
    ...held,
    [
      place,
      tensor.family,
      `${tensor.exactTokens} exact tokens`,
      String(tensor.exactBytes),
      tensor.exactTokens === 0 ? "-" : "16",
      "-",
      tensor.restoredHash,
    ],
  ];
}

/** The audit of one policy; the last line is the sum. */
export function auditTable(policy: string, audit: Audit): string {
  const { example, step, tokens, bytes, tensors, constants, constantBytes } = audit;
  const mib = (count: number) => (count / 2 ** 20).toFixed(6);
  return [
    `audit of ${policy}: example ${example}, step ${step}, ${tokens} tokens`,
    ...alignedRows([
      ["layer", "family", "buffer", "bytes", "code bits", "words", "restored"],
      ...tensors.flatMap(lines),
    ]),
    `sum ${bytes} bytes = ${mib(bytes)} MiB = peak_kv_memory_mb`,
    ...alignedRows(constants.map(({ role, bytes }) => [`constant ${role}`, String(bytes)])),
    `sum ${constantBytes} bytes = ${mib(constantBytes)} MiB = constants_mb, once per model`,
  ].join("\n");
}
