/** `adaptive`, with all layers counted alike. */
import { AdaptiveQuantPolicy } from "../../policies/adaptive.ts";

export default new AdaptiveQuantPolicy({ share: 0.7, sensitivity: false });
