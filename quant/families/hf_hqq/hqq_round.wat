;; A round of HQQ's search for pairs of groups, one group to a lane, so that every sum is taken in the
;; order of its entries. Entries are float32, everything else float64; hqq_group.ts has the formulas,
;; and is the reference.
;;
;; `$pairs` holds two indices of groups each, `$count` such pairs; groups have `$size` entries. Of each
;; group three numbers are stored: the sum of magnitudes, the sum of changes, and one that is not 0
;; where an entry lies further out than the group's `$bounds`; then the changes are not to be used.
(module
  (memory (export "memory") 8)

  ;; Two groups' numbers.
  (func $both (param $at i32) (param $a i32) (param $b i32) (result v128)
    (v128.load64_lane 1
      (i32.add (local.get $at) (i32.shl (local.get $b) (i32.const 3)))
      (v128.load64_zero (i32.add (local.get $at) (i32.shl (local.get $a) (i32.const 3))))))

  (func $keep (param $results i32) (param $a i32) (param $b i32)
    (param $sum v128) (param $change v128) (param $out v128)
    (local.set $a (i32.add (local.get $results) (i32.mul (local.get $a) (i32.const 24))))
    (local.set $b (i32.add (local.get $results) (i32.mul (local.get $b) (i32.const 24))))
    (v128.store64_lane 0 (local.get $a) (local.get $sum))
    (v128.store64_lane offset=8 0 (local.get $a) (local.get $change))
    (v128.store64_lane offset=16 0 (local.get $a) (local.get $out))
    (v128.store64_lane 1 (local.get $b) (local.get $sum))
    (v128.store64_lane offset=8 1 (local.get $b) (local.get $change))
    (v128.store64_lane offset=16 1 (local.get $b) (local.get $out)))

  ;; Groups in which errors are never sparse: the change is the error.
  (func (export "plain")
    (param $pairs i32) (param $count i32) (param $entries i32) (param $size i32)
    (param $zeros i32) (param $bounds i32) (param $top f64) (param $results i32)
    (local $a i32) (local $b i32) (local $x i32) (local $y i32) (local $end i32)
    (local $zero v128) (local $bound v128) (local $most v128) (local $round v128) (local $none v128)
    (local $position v128) (local $d v128) (local $length v128)
    (local $sum v128) (local $change v128) (local $out v128)
    (local.set $round (f64x2.splat (f64.const 6755399441055744)))
    (local.set $most (f64x2.splat (local.get $top)))
    (block $done
      (loop $each_pair
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $a (i32.load (local.get $pairs)))
        (local.set $b (i32.load offset=4 (local.get $pairs)))
        (local.set $zero (call $both (local.get $zeros) (local.get $a) (local.get $b)))
        (local.set $bound (call $both (local.get $bounds) (local.get $a) (local.get $b)))
        (local.set $x (i32.add (local.get $entries)
          (i32.shl (i32.mul (local.get $a) (local.get $size)) (i32.const 2))))
        (local.set $y (i32.add (local.get $entries)
          (i32.shl (i32.mul (local.get $b) (local.get $size)) (i32.const 2))))
        (local.set $end (i32.add (local.get $x) (i32.shl (local.get $size) (i32.const 2))))
        (local.set $sum (local.get $none))
        (local.set $change (local.get $none))
        (local.set $out (local.get $none))
        (loop $each_entry
          (local.set $position (f64x2.add (local.get $zero)
            (f64x2.promote_low_f32x4
              (v128.load32_lane 1 (local.get $y) (v128.load32_zero (local.get $x))))))
          (local.set $d (f64x2.sub (local.get $position)
            (f64x2.pmin
              (f64x2.pmax
                (f64x2.sub (f64x2.add (local.get $position) (local.get $round)) (local.get $round))
                (local.get $none))
              (local.get $most))))
          (local.set $length (f64x2.abs (local.get $d)))
          (local.set $sum (f64x2.add (local.get $sum) (local.get $length)))
          (local.set $out (f64x2.pmax (local.get $out) (local.get $length)))
          (local.set $change (f64x2.add (local.get $change) (local.get $d)))
          (local.set $x (i32.add (local.get $x) (i32.const 4)))
          (local.set $y (i32.add (local.get $y) (i32.const 4)))
          (br_if $each_entry (i32.lt_u (local.get $x) (local.get $end))))
        (call $keep (local.get $results) (local.get $a) (local.get $b)
          (local.get $sum) (local.get $change)
          (f64x2.gt (local.get $out) (local.get $bound)))
        (local.set $pairs (i32.add (local.get $pairs) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $each_pair))))

  ;; Groups in which some are: `$table` has the power at the lower end of each of `$steps` steps of an
  ;; error from -1/2 to 1/2, those of the middle and of the end twice, so that each step finds the power
  ;; at its upper end behind its own. That places are found by shifts takes 8192 steps for granted.
  (func (export "table")
    (param $pairs i32) (param $count i32) (param $entries i32) (param $size i32)
    (param $zeros i32) (param $bounds i32) (param $top f64) (param $results i32)
    (param $reaches i32) (param $table i32) (param $steps i32)
    (local $a i32) (local $b i32) (local $x i32) (local $y i32) (local $end i32)
    (local $zero v128) (local $bound v128) (local $most v128) (local $round v128) (local $none v128)
    (local $position v128) (local $d v128) (local $length v128)
    (local $sum v128) (local $change v128) (local $out v128)
    (local $reach v128) (local $perunit v128) (local $middle v128) (local $integer v128)
    (local $sign v128) (local $at v128) (local $whole v128) (local $part v128)
    (local $first v128) (local $second v128) (local $limit v128) (local $power v128)
    (local $i i32)
    (local.set $round (f64x2.splat (f64.const 6755399441055744)))
    (local.set $most (f64x2.splat (local.get $top)))
    (local.set $perunit (f64x2.splat (f64.convert_i32_u (local.get $steps))))
    (local.set $middle (f64x2.splat (f64.convert_i32_u (i32.shr_u (local.get $steps) (i32.const 1)))))
    (local.set $integer (f64x2.splat (f64.const 4503599627370496)))
    (local.set $sign (v128.const i64x2 0x8000000000000000 0x8000000000000000))
    (block $done
      (loop $each_pair
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $a (i32.load (local.get $pairs)))
        (local.set $b (i32.load offset=4 (local.get $pairs)))
        (local.set $zero (call $both (local.get $zeros) (local.get $a) (local.get $b)))
        (local.set $bound (call $both (local.get $bounds) (local.get $a) (local.get $b)))
        (local.set $reach (call $both (local.get $reaches) (local.get $a) (local.get $b)))
        (local.set $x (i32.add (local.get $entries)
          (i32.shl (i32.mul (local.get $a) (local.get $size)) (i32.const 2))))
        (local.set $y (i32.add (local.get $entries)
          (i32.shl (i32.mul (local.get $b) (local.get $size)) (i32.const 2))))
        (local.set $end (i32.add (local.get $x) (i32.shl (local.get $size) (i32.const 2))))
        (local.set $sum (local.get $none))
        (local.set $change (local.get $none))
        (local.set $out (local.get $none))
        (loop $each_entry
          (local.set $position (f64x2.add (local.get $zero)
            (f64x2.promote_low_f32x4
              (v128.load32_lane 1 (local.get $y) (v128.load32_zero (local.get $x))))))
          (local.set $d (f64x2.sub (local.get $position)
            (f64x2.pmin
              (f64x2.pmax
                (f64x2.sub (f64x2.add (local.get $position) (local.get $round)) (local.get $round))
                (local.get $none))
              (local.get $most))))
          (local.set $length (f64x2.abs (local.get $d)))
          (local.set $sum (f64x2.add (local.get $sum) (local.get $length)))
          (local.set $out (f64x2.pmax (local.get $out) (local.get $length)))
          (local.set $at (f64x2.add (local.get $middle)
            (f64x2.mul (local.get $d) (local.get $perunit))))
          (local.set $whole (f64x2.trunc (local.get $at)))
          (local.set $part (f64x2.sub (local.get $at) (local.get $whole)))
          ;; The lowest bits of the sum are the whole number. What lies beyond the table is out of
          ;; bounds, and only kept from reading far away.
          (local.set $whole (f64x2.add (local.get $whole) (local.get $integer)))
          (local.set $i
            (i32.and (i32.const 0x3fff) (i32.wrap_i64 (i64x2.extract_lane 0 (local.get $whole)))))
          (local.set $first (v128.load (i32.add (local.get $table)
            (i32.shl
              (i32.add (i32.shr_u (local.get $i) (i32.const 12)) (local.get $i))
              (i32.const 3)))))
          (local.set $i
            (i32.and (i32.const 0x3fff) (i32.wrap_i64 (i64x2.extract_lane 1 (local.get $whole)))))
          (local.set $second (v128.load (i32.add (local.get $table)
            (i32.shl
              (i32.add (i32.shr_u (local.get $i) (i32.const 12)) (local.get $i))
              (i32.const 3)))))
          (local.set $power
            (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23
              (local.get $first) (local.get $second)))
          (local.set $limit (f64x2.mul (local.get $reach)
            (f64x2.add (local.get $power)
              (f64x2.mul (local.get $part)
                (f64x2.sub
                  (i8x16.shuffle 8 9 10 11 12 13 14 15 24 25 26 27 28 29 30 31
                    (local.get $first) (local.get $second))
                  (local.get $power))))))
          ;; Twice the change, which is halved at the end: their sum, less their distance with the sign
          ;; of the limit.
          (local.set $change (f64x2.add (local.get $change)
            (f64x2.sub
              (f64x2.add (local.get $d) (local.get $limit))
              (v128.xor
                (v128.and (local.get $sign) (local.get $limit))
                (f64x2.abs (f64x2.sub (local.get $length) (f64x2.abs (local.get $limit))))))))
          (local.set $x (i32.add (local.get $x) (i32.const 4)))
          (local.set $y (i32.add (local.get $y) (i32.const 4)))
          (br_if $each_entry (i32.lt_u (local.get $x) (local.get $end))))
        (call $keep (local.get $results) (local.get $a) (local.get $b)
          (local.get $sum) (f64x2.mul (local.get $change) (f64x2.splat (f64.const 0.5)))
          (f64x2.gt (local.get $out) (local.get $bound)))
        (local.set $pairs (i32.add (local.get $pairs) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $each_pair)))))
