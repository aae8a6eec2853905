/** `adaptive`, with one step, in standard deviations, for all components. */
import { AdaptiveQuantPolicy } from "../../policies/adaptive.ts";

export default new AdaptiveQuantPolicy({ rate: 3, allocation: false });
