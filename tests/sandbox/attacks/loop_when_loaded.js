/** Never finishes loading. */
for (;;);
