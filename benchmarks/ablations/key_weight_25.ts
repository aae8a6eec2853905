/** `adaptive`, with errors in keys weighed 25 times those in values. */
import { AdaptiveQuantPolicy } from "../../policies/adaptive.ts";

export default new AdaptiveQuantPolicy({ share: 0.74, keyWeight: 25 });
