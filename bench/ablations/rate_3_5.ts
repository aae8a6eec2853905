/** `adaptive`, at 3.5 coded bits an entry. */
import { AdaptiveQuantPolicy } from "../../policies/adaptive.ts";

export default new AdaptiveQuantPolicy({ rate: 3.5 });
