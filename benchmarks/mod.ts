/**
 * Benchmarks: slices of examples, their prompts and their scores. Nothing here needs a model.
 *
 * @module
 */
export type { Row } from "./benchmark.ts";
export { BenchmarkError } from "./benchmark_error.ts";
export type { BenchmarkFile } from "./benchmark_file.ts";
export type { DataLimits } from "./data_limits.ts";
export { type Example, parseExample } from "./example.ts";
export {
  isSliceName,
  loadDataFile,
  loadSlice,
  parseExamples,
  type Slice,
  type SliceName,
  sliceNames,
  slices,
} from "./slices.ts";
export { renderPrompt, scoreReply } from "./datasets.ts";
