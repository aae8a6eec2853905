/** `adaptive`, with one step, in standard deviations, for all components. */
import { AdaptiveQuantPolicy } from "../../policies/adaptive.ts";

export default new AdaptiveQuantPolicy({ share: 0.7, allocation: false });
