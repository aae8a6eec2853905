import { assertAlmostEquals, assertEquals } from "@std/assert";
import { Transfer } from "../../report/transfer.ts";

Deno.test("the speed is that of the last ten seconds, and of what was received", () => {
  let ms = 0;
  const transfer = new Transfer(() => ms);
  // What an earlier attempt left says nothing of the speed.
  transfer.add({ done: 5e9, total: 20e9, received: 0 });
  assertEquals([transfer.speed, transfer.text()], [0, "5 GB of 20 GB"]);
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
  assertEquals(transfer.text(), "7 GB of 20 GB, 100 MB/s, 2 min 10 s left");
  receive(20, 10e6);
  assertEquals(transfer.speed, 10e6);
  assertEquals(transfer.text(), "7.2 GB of 20 GB, 10 MB/s, 21 min 20 s left");
  // It falls while nothing comes.
  ms += 10_000;
  assertAlmostEquals(transfer.speed, 5e6, 1e5);
  receive(11, 1e6);
  assertEquals(transfer.text(), "7.21 GB of 20 GB, 1 MB/s, 3 h 33 min left");
  // Hardly anything: that is no forecast.
  receive(20, 1000);
  assertEquals(transfer.text(), "7.21 GB of 20 GB, 1 kB/s");
});
