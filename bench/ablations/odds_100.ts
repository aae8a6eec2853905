/** `adaptive`, with ten times the weight on predictions. */
import { AdaptiveQuantPolicy } from "../../policies/adaptive.ts";

export default new AdaptiveQuantPolicy({ share: 0.7, costPerOdds: 100 });
