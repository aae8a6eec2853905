import { assertEquals } from "@std/assert";
import { CHAT_DATE, strftimeNow } from "../../../engine/checkpoint/chat_date.ts";

Deno.test("the day reads as Python writes it in the C locale", () => {
  // Made with datetime(2026, 1, 1).strftime of Python 3.
  const python = {
    "%Y-%m-%d": "2026-01-01",
    "%d %b %Y": "01 Jan 2026",
    "%A, %B %-d, %y": "Thursday, January 1, 26",
    "%a %e %j %w %u": "Thu  1 001 4 4",
    "%H:%M:%S %I %p %f": "00:00:00 12 AM 000000",
    "%-H %-I": "0 12",
    "%F %D %T %R %x %X": "2026-01-01 01/01/26 00:00:00 00:00 01/01/26 00:00:00",
    "100%% %d%%": "100% 01%",
  };
  for (const [format, text] of Object.entries(python)) assertEquals(strftimeNow(format), text);
  assertEquals(strftimeNow("%F"), CHAT_DATE);
});

Deno.test("what is no directive stays as it is", () => {
  assertEquals(strftimeNow("50 %, %Q and a %"), "50 %, %Q and a %");
});
