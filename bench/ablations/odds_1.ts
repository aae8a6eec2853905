/** `adaptive`, with a tenth of the weight on predictions. */
import { AdaptiveQuantPolicy } from "../../policies/adaptive.ts";

export default new AdaptiveQuantPolicy({ rate: 3, costPerOdds: 1 });
