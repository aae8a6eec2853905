/** `adaptive`, with nothing but the squared error of the cache to go by. */
import { AdaptiveQuantPolicy } from "../../policies/adaptive.ts";

export default new AdaptiveQuantPolicy({ rate: 3, costPerOdds: 0 });
