import { assertAlmostEquals, assertEquals } from "@std/assert";
import { bytesText, Transfer } from "../../report/transfer.ts";

Deno.test("the speed is that of the last ten seconds, and of what was received", () => {
  let ms = 0;
  const transfer = new Transfer(() => ms);
  // What an earlier attempt left says nothing of the speed.
  transfer.add({ done: 5e9, total: 20e9, received: 0 });
  assertEquals([transfer.speed, transfer.text()], [0, "5.00 GB of 20.0 GB"]);
  let done = 5e9;
  const receive = (seconds: number, speed: number) => {
    for (let i = 0; i < 4 * seconds; i++) {
      ms += 250;
      // In two pieces, as chunks come.
      for (const received of [speed / 5, speed / 20]) {
        done += received;
        transfer.add({ done, total: 20e9, received });
      }
    }
  };
  receive(20, 100e6);
  assertEquals(transfer.speed, 100e6);
  assertEquals(transfer.text(), "7.00 GB of 20.0 GB, 100 MB/s, 2 min 10 s left");
  receive(20, 10e6);
  assertEquals(transfer.speed, 10e6);
  assertEquals(transfer.text(), "7.20 GB of 20.0 GB, 10.0 MB/s, 21 min 20 s left");
  // It falls while nothing comes.
  ms += 10_000;
  assertAlmostEquals(transfer.speed, 5e6, 1e5);
  receive(11, 1e6);
  assertEquals(transfer.text(), "7.21 GB of 20.0 GB, 1.00 MB/s, 3 h 33 min left");
  // Hardly anything: that is no forecast.
  receive(20, 1000);
  assertEquals(transfer.text(), "7.21 GB of 20.0 GB, 1.00 kB/s");
});

Deno.test("bytes have three digits", () => {
  const texts: [bytes: number, text: string][] = [
    [0, "0 B"],
    [7, "7 B"],
    [999, "999 B"],
    [1000, "1.00 kB"],
    [9994, "9.99 kB"],
    [9996, "10.0 kB"],
    [99_960, "100 kB"],
    [999_600, "1.00 MB"],
    [123_456_789, "123 MB"],
    [1.5e13, "15.0 TB"],
    [1.5e16, "15000 TB"],
  ];
  for (const [bytes, text] of texts) assertEquals(bytesText(bytes), text);
});
