;; Components to symbols and back, four side by side. Rows are padded to a multiple of four components;
;; what is computed of the padding is written over by the next row.
(module
  (memory (export "memory") 1)

  ;; `values`: [rows][stored], brought within half precision first. `steps`: [stored, padded] in float64, infinite in the padding;
  ;; `narrow`: the same in float32. `beyond`: [stored, padded], 2^30 where a component always escapes, else 0. `symbols`: [rows][stored], filled.
  ;; `escapes`: for every escape its place among the symbols, and above 2^30 or not so many steps.
  ;; Returns where the list of escapes ends.
  (func (export "to_symbols")
    (param $values i32) (param $rows i32) (param $stored i32)
    (param $steps i32) (param $narrow i32) (param $beyond i32) (param $rounding f64)
    (param $most i32) (param $symbols i32) (param $escapes i32)
    (result i32)
    (local $k i32) (local $place i32) (local $lane i32) (local $lanes i32)
    (local $x v128) (local $sizes v128) (local $counts v128) (local $outside v128)
    (local $add v128) (local $limit v128) (local $escape v128) (local $largest v128) (local $at i32)
    (local $add4 v128) (local $count v128) (local $low v128) (local $high v128)
    (local.set $add4 (f32x4.splat (f32.demote_f64 (local.get $rounding))))
    (local.set $largest (f32x4.splat (f32.const 65504)))
    (local.set $add (f64x2.splat (local.get $rounding)))
    (local.set $limit (i32x4.splat (local.get $most)))
    (local.set $escape
      (i32x4.splat (i32.sub (i32.shl (local.get $most) (i32.const 1)) (i32.const 1))))
    (block $done
      (loop $each_row
        (br_if $done (i32.eqz (local.get $rows)))
        (local.set $rows (i32.sub (local.get $rows) (i32.const 1)))
        (local.set $k (i32.const 0))
        (loop $each_four
          (local.set $at (i32.add (local.get $values)
            (i32.shl (i32.add (local.get $place) (local.get $k)) (i32.const 2))))
          (local.set $x (v128.load (local.get $at)))
          ;; What is no number becomes 0.
          (local.set $x (v128.and (f32x4.eq (local.get $x) (local.get $x))
            (f32x4.pmax (f32x4.neg (local.get $largest))
              (f32x4.pmin (local.get $largest) (local.get $x)))))
          (v128.store (local.get $at) (local.get $x))
          (local.set $sizes (f32x4.abs (local.get $x)))
          ;; In float32, which is off by less than a 2^-21th part; where that may matter, in float64.
          (local.set $count (f32x4.add (local.get $add4) (f32x4.div (local.get $sizes)
            (v128.load (i32.add (local.get $narrow) (i32.shl (local.get $k) (i32.const 2)))))))
          (local.set $low (f32x4.trunc (f32x4.sub
            (f32x4.mul (local.get $count) (f32x4.splat (f32.const 0x1.fffffp-1)))
            (f32x4.splat (f32.const 0x1p-22)))))
          (local.set $high (f32x4.trunc (f32x4.add
            (f32x4.mul (local.get $count) (f32x4.splat (f32.const 0x1.000008p0)))
            (f32x4.splat (f32.const 0x1p-22)))))
          (if (v128.any_true (f32x4.ne (local.get $low) (local.get $high)))
            (then
              (local.set $counts (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23
                (i32x4.trunc_sat_f64x2_s_zero (f64x2.add (local.get $add) (f64x2.div
                  (f64x2.promote_low_f32x4 (local.get $sizes))
                  (v128.load
                    (i32.add (local.get $steps) (i32.shl (local.get $k) (i32.const 3)))))))
                (i32x4.trunc_sat_f64x2_s_zero (f64x2.add (local.get $add) (f64x2.div
                  (f64x2.promote_low_f32x4 (i8x16.shuffle 8 9 10 11 12 13 14 15 8 9 10 11 12 13 14 15
                    (local.get $sizes) (local.get $sizes)))
                  (v128.load offset=16
                    (i32.add (local.get $steps) (i32.shl (local.get $k) (i32.const 3))))))))))
            (else (local.set $counts (i32x4.trunc_sat_f32x4_s (local.get $low)))))
          (local.set $counts (v128.or (local.get $counts) (v128.load
            (i32.add (local.get $beyond) (i32.shl (local.get $k) (i32.const 2))))))
          (local.set $outside (i32x4.ge_s (local.get $counts) (local.get $limit)))
          ;; Twice the steps, and one less above zero.
          (local.set $x (i32x4.sub
            (i32x4.shl (local.get $counts) (i32.const 1))
            (i32x4.shr_u
              (v128.andnot (i32x4.neg (local.get $counts)) (local.get $x))
              (i32.const 31))))
          (local.set $x (v128.bitselect (local.get $escape) (local.get $x) (local.get $outside)))
          (local.set $x (i16x8.narrow_i32x4_s (local.get $x) (local.get $x)))
          (v128.store32_lane 0
            (i32.add (local.get $symbols) (i32.add (local.get $place) (local.get $k)))
            (i8x16.narrow_i16x8_u (local.get $x) (local.get $x)))
          (local.set $lanes (i32x4.bitmask (local.get $outside)))
          (if (local.get $lanes)
            (then
              (local.set $lane (i32.add (local.get $place) (local.get $k)))
              (loop $each_lane
                (if (i32.and (local.get $lanes) (i32.const 1))
                  (then
                    (i32.store (local.get $escapes) (local.get $lane))
                    (i32.store offset=4 (local.get $escapes)
                      (i32x4.extract_lane 0 (local.get $counts)))
                    (local.set $escapes (i32.add (local.get $escapes) (i32.const 8)))))
                (local.set $counts (i8x16.shuffle 4 5 6 7 8 9 10 11 12 13 14 15 0 1 2 3
                  (local.get $counts) (local.get $counts)))
                (local.set $lane (i32.add (local.get $lane) (i32.const 1)))
                (local.set $lanes (i32.shr_u (local.get $lanes) (i32.const 1)))
                (br_if $each_lane (local.get $lanes)))))
          (local.set $k (i32.add (local.get $k) (i32.const 4)))
          (br_if $each_four (i32.lt_u (local.get $k) (local.get $stored))))
        (local.set $place (i32.add (local.get $place) (local.get $stored)))
        (br $each_row)))
    (local.get $escapes))

  ;; `symbols`: [rows][stored]. `levels`: [stored] where each component's levels begin. `steps`: [stored]
  ;; in float32. `values`: [rows][stored], filled; what escapes is no number of its own yet.
  (func (export "to_values")
    (param $symbols i32) (param $rows i32) (param $stored i32) (param $levels i32)
    (param $steps i32) (param $values i32)
    (local $k i32) (local $end i32)
    (local.set $end (i32.shl (local.get $stored) (i32.const 2)))
    (block $done
      (loop $each_row
        (br_if $done (i32.eqz (local.get $rows)))
        (local.set $rows (i32.sub (local.get $rows) (i32.const 1)))
        (local.set $k (i32.const 0))
        (loop $each_component
          (f32.store (local.get $values) (f32.mul
            (f32.load (i32.add
              (i32.load (i32.add (local.get $levels) (local.get $k)))
              (i32.shl (i32.load8_u (local.get $symbols)) (i32.const 2))))
            (f32.load (i32.add (local.get $steps) (local.get $k)))))
          (local.set $symbols (i32.add (local.get $symbols) (i32.const 1)))
          (local.set $values (i32.add (local.get $values) (i32.const 4)))
          (local.set $k (i32.add (local.get $k) (i32.const 4)))
          (br_if $each_component (i32.lt_u (local.get $k) (local.get $end))))
        (br $each_row)))))
