import { assertEquals, assertMatch } from "@std/assert";
import { BenchmarkError } from "../../benchmarks/benchmark_error.ts";
import { CalibrationError } from "../../calibration/calibration_file.ts";
import { describeFailure } from "../../cli/failure.ts";
import { UsageError } from "../../cli/usage_error.ts";
import { InternalError, UserError } from "../../errors.ts";
import { PolicyError } from "../../policies/check.ts";
import { StatsNotLoaded } from "../../policies/plan.ts";
import { ReplyError } from "../../sandbox/reply_value.ts";
import { SandboxError } from "../../sandbox/sandbox_error.ts";
import { QuantizerError } from "../../quant/quantizer_error.ts";

Deno.test("a wrong command line ends with code 2 and points at the help", () => {
  assertEquals(describeFailure(new UsageError("Unknown option -x")), {
    text: "Unknown option -x (--help explains)",
    exitCode: 2,
  });
});

Deno.test("what the user did is one sentence and code 1", () => {
  const classes = [
    ...[UserError, PolicyError, QuantizerError, BenchmarkError, CalibrationError, ReplyError],
  ];
  for (const of of classes) {
    const error = new of("No such file a");
    assertEquals(describeFailure(error), { text: "No such file a", exitCode: 1 }, of.name);
    assertEquals(error.name, of.name);
  }
  assertEquals(describeFailure(new SandboxError("timed out", "No answer within 2 s")), {
    text: "timed out: No answer within 2 s",
    exitCode: 1,
  });
});

Deno.test("what this project did asks for a report, with a stack where no sentence says it", () => {
  assertEquals(describeFailure(new InternalError("Audit of policy a: 4 bytes, not 8")), {
    text: "Internal error, please report it: Audit of policy a: 4 bytes, not 8",
    exitCode: 1,
  });
  for (
    const error of [
      new TypeError("x is not a function"),
      new StatsNotLoaded("The keys of layer 0 are not read yet"),
    ]
  ) {
    const { text, exitCode } = describeFailure(error);
    assertMatch(text, /^Internal error, please report it:/);
    assertEquals(exitCode, 1);
  }
  const { text } = describeFailure(new TypeError("x is not a function"));
  assertMatch(text, /report it:\nTypeError: x is not a function\n {4}at .*failure_test\.ts:/);
  assertMatch(describeFailure("thrown text").text, /report it:\nthrown text$/);
});
