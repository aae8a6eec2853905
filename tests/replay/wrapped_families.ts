/** The built-in families with something done to every store they open. */
import type { Family, Store } from "../../quant/family.ts";
import { Families } from "../../quant/registry.ts";
import type { KvShape } from "../../quant/tensor.ts";

export class WrappedFamilies extends Families {
  constructor(private readonly wrap: <T extends KvShape>(store: Store<T>) => Store<T>) {
    super();
  }

  override of(name: string): Family {
    const family = super.of(name);
    const { wrap } = this;
    return {
      ...family,
      openCpu: (...given) => wrap(family.openCpu(...given)),
      openGpu: (...given) => wrap(family.openGpu(...given)),
    };
  }
}
