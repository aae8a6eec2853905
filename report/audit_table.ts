/**
 * An audit as a table: one line per layer, kind and buffer.
 *
 * @module
 */
import type { Audit, AuditedCell } from "../replay/audit.ts";
import { alignedRows } from "./table.ts";

function lines(cell: AuditedCell): string[][] {
  const place = `${cell.layer} ${cell.kind}`;
  const widths = [...new Set(cell.codeBits)].map((bits) => Number(bits.toFixed(3))).join("/");
  const held = cell.buffers.map(({ role, bytes }, i) => [
    place,
    cell.family ?? "exact",
    role,
    String(bytes),
    i === 0 ? widths || "-" : "-",
    i === 0 ? cell.wordsHash ?? "-" : "-",
    "-",
  ]);
  return [
    ...held,
    [
      place,
      cell.family ?? "exact",
      `${cell.exactTokens} exact tokens`,
      String(cell.exactBytes),
      cell.exactTokens === 0 ? "-" : "16",
      "-",
      cell.restoredHash,
    ],
  ];
}

/** The audit of one policy; the last line is the sum. */
export function auditTable(policy: string, audit: Audit): string {
  const { example, step, tokens, bytes, cells } = audit;
  const mib = (bytes / 2 ** 20).toFixed(6);
  return [
    `audit of ${policy}: example ${example}, step ${step}, ${tokens} tokens`,
    ...alignedRows([
      ["layer", "family", "buffer", "bytes", "code bits", "words", "restored"],
      ...cells.flatMap(lines),
    ]),
    `sum ${bytes} bytes = ${mib} MiB = peak_kv_memory_mb`,
  ].join("\n");
}
