/** Bytes of a file that is held as a whole; one of JSON lines may be longer. */
export const LONGEST_FILE = 2 ** 30;
