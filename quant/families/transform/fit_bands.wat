;; By how much the tables of every band of components are shifted: where its symbols cost least. Costs
;; under the eight shifts lie side by side, 16 bits each, so that one addition serves all of them; those
;; of a band, of 128 symbols, stay below 2^16.
(module
  (memory (export "memory") 1)
  ;; `symbols`: [tokens][stored] bytes. `tables`: [stored] where each component's costs begin, a 32-bit
  ;; address. `shifts`: [bands] bytes, filled. Returns what all symbols cost then.
  (func (export "fit")
    (param $symbols i32) (param $entries i32) (param $stored i32) (param $band_size i32)
    (param $tables i32) (param $shifts i32) (param $scratch i32)
    (result i32)
    (local $first i32) (local $end i32) (local $k i32) (local $at i32) (local $last i32)
    (local $base i32) (local $sums v128) (local $zero v128) (local $shift i32) (local $best i32)
    (local $least i32) (local $sum i32) (local $total i32)
    (local.set $last (i32.add (local.get $symbols) (local.get $entries)))
    (block $bands_done
      (loop $each_band
        (br_if $bands_done (i32.ge_u (local.get $first) (local.get $stored)))
        (local.set $end (i32.add (local.get $first) (local.get $band_size)))
        (if (i32.gt_u (local.get $end) (local.get $stored))
          (then (local.set $end (local.get $stored))))
        (local.set $sums (local.get $zero))
        (local.set $k (local.get $first))
        (loop $each_component
          (local.set $base (i32.load
            (i32.add (local.get $tables) (i32.shl (local.get $k) (i32.const 2)))))
          (local.set $at (i32.add (local.get $symbols) (local.get $k)))
          (loop $each_token
            (local.set $sums (i16x8.add (local.get $sums) (v128.load
              (i32.add (local.get $base)
                (i32.shl (i32.load8_u (local.get $at)) (i32.const 4))))))
            (local.set $at (i32.add (local.get $at) (local.get $stored)))
            (br_if $each_token (i32.lt_u (local.get $at) (local.get $last))))
          (local.set $k (i32.add (local.get $k) (i32.const 1)))
          (br_if $each_component (i32.lt_u (local.get $k) (local.get $end))))
        (v128.store (local.get $scratch) (local.get $sums))
        (local.set $least (i32.const 65536))
        (local.set $shift (i32.const 0))
        (loop $each_shift
          (local.set $sum (i32.load16_u
            (i32.add (local.get $scratch) (i32.shl (local.get $shift) (i32.const 1)))))
          (if (i32.lt_u (local.get $sum) (local.get $least))
            (then
              (local.set $least (local.get $sum))
              (local.set $best (local.get $shift))))
          (local.set $shift (i32.add (local.get $shift) (i32.const 1)))
          (br_if $each_shift (i32.lt_u (local.get $shift) (i32.const 8))))
        (i32.store8 (local.get $shifts) (local.get $best))
        (local.set $shifts (i32.add (local.get $shifts) (i32.const 1)))
        (local.set $total (i32.add (local.get $total) (local.get $least)))
        (local.set $first (local.get $end))
        (br $each_band)))
    (local.get $total)))
