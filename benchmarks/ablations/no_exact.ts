/** `adaptive`, without components that are kept exact. */
import { AdaptiveQuantPolicy } from "../../policies/adaptive.ts";

export default new AdaptiveQuantPolicy({ share: 0.74, exactComponents: false });
