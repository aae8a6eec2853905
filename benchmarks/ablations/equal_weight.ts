/** `adaptive`, with errors in keys and values weighed alike. */
import { AdaptiveQuantPolicy } from "../../policies/adaptive.ts";

export default new AdaptiveQuantPolicy({ share: 0.74, keyWeight: 1 });
