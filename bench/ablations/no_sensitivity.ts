/** `adaptive`, with all layers counted alike. */
import { AdaptiveQuantPolicy } from "../../policies/adaptive.ts";

export default new AdaptiveQuantPolicy({ rate: 3, sensitivity: false });
