/** Fills the heap before it is asked anything. */
const kept = [];
for (;;) kept.push({ kept, text: `${kept.length}` });
