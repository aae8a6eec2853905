/**
 * For programs that a test starts: where no cache can be, so that none finds its way into the one of
 * whoever runs the tests.
 */
export const NO_CACHE = {
  KVREPLAY_CACHE: Deno.build.os === "windows" ? "NUL\\none" : "/dev/null/none",
};
