/** `adaptive`, with learned levels for keys instead of a range per token. */
import { AdaptiveQuantPolicy } from "../../policies/adaptive.ts";

export default new AdaptiveQuantPolicy({ share: 0.74, keyRanges: false });
