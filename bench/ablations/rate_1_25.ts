/** `adaptive`, at 1.25 coded bits an entry. */
import { AdaptiveQuantPolicy } from "../../policies/adaptive.ts";

export default new AdaptiveQuantPolicy({ rate: 1.25 });
