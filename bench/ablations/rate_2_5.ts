/** `adaptive`, at 2.5 coded bits an entry. */
import { AdaptiveQuantPolicy } from "../../policies/adaptive.ts";

export default new AdaptiveQuantPolicy({ rate: 2.5 });
