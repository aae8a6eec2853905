/** `adaptive`, at 0.86 coded bits an entry: 16 times smaller than float16 on prompts of 4,096 tokens. */
import { AdaptiveQuantPolicy } from "../../policies/adaptive.ts";

export default new AdaptiveQuantPolicy({ rate: 0.86 });
