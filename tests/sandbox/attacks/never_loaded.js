/** Waits for ever at its top level. */
await new Promise(() => {});
export default {};
