/** `adaptive`, without recent tokens kept exact, but for those that fill no group. */
import { AdaptiveQuantPolicy } from "../../policies/adaptive.ts";

export default new AdaptiveQuantPolicy({ rate: 3, window: 0 });
