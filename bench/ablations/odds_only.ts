/** `adaptive`, with nothing but the sensitivity of predictions to go by. */
import { AdaptiveQuantPolicy } from "../../policies/adaptive.ts";

export default new AdaptiveQuantPolicy({ rate: 3, costPerSquaredError: 0 });
