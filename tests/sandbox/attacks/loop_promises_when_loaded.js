/** Never lets anything else run while it is loaded. */
queueMicrotask(function again() {
  queueMicrotask(again);
});
await null;
await new Promise(() => {});
