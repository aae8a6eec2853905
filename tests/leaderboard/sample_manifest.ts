/** A manifest for the sample board. */
import type { Board } from "../../leaderboard/board.ts";
import { type Manifest, manifestOf } from "../../leaderboard/manifest.ts";

/** The manifest of a run that took an hour. */
export function sampleManifest(board: Board): Manifest {
  return manifestOf(board, {
    version: "0.1.0",
    commit: "0123456789abcdef0123456789abcdef01234567",
    versions: { deno: "2.9.6", onnxruntime: "1.30.0" },
    made: {
      command: ["leaderboard", "--model", "mini", "--device", "cpu"],
      source: "c".repeat(64),
      files: [],
    },
    reused: 2,
    started: new Date("2026-11-24T10:00:00Z"),
    finished: new Date("2026-11-24T11:00:00.123Z"),
  });
}
