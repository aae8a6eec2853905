;; A round of HQQ's search for pairs of groups, one group to a lane, so that every sum is taken in the
;; order of its entries. Everything is float64 and counted in 8192ths of a step, so that an error is its
;; own place in the table; hqq_group.ts has the formulas, and is the reference.
;;
;; There are `$count` pairs of `$size` entries each: the first entries of both groups, then the second
;; ones. `$zeros` holds a zero point of each group, `$skipped` a number for each pair that is not 0 where
;; the pair is to be left out. Of each pair four numbers are stored: both sums of magnitudes, and both of
;; changes. No entry may be further than half a step from a code.
(module
  (memory (export "memory") 3)

  ;; Groups in which errors are never sparse: the change is the error.
  (func (export "plain")
    (param $entries i32) (param $count i32) (param $size i32)
    (param $zeros i32) (param $skipped i32) (param $results i32)
    (local $x i32) (local $end i32)
    (local $zero v128) (local $round v128) (local $none v128)
    (local $position v128) (local $d v128) (local $sum v128) (local $change v128)
    ;; Adding and subtracting it rounds to a whole number of steps, ties to even.
    (local.set $round (f64x2.splat (f64.const 55340232221128654848)))
    (block $done
      (loop $each_pair
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $end
          (i32.add (local.get $entries) (i32.shl (local.get $size) (i32.const 4))))
        (if (i32.eqz (i32.load8_u (local.get $skipped)))
          (then
            (local.set $x (local.get $entries))
            (local.set $zero (v128.load (local.get $zeros)))
            (local.set $sum (local.get $none))
            (local.set $change (local.get $none))
            (loop $each_entry
              (local.set $position (f64x2.add (local.get $zero) (v128.load (local.get $x))))
              (local.set $d (f64x2.sub (local.get $position)
                (f64x2.sub (f64x2.add (local.get $position) (local.get $round)) (local.get $round))))
              (local.set $sum (f64x2.add (local.get $sum) (f64x2.abs (local.get $d))))
              (local.set $change (f64x2.add (local.get $change) (local.get $d)))
              (local.set $x (i32.add (local.get $x) (i32.const 16)))
              (br_if $each_entry (i32.lt_u (local.get $x) (local.get $end))))
            (v128.store (local.get $results) (local.get $sum))
            (v128.store offset=16 (local.get $results) (local.get $change))))
        (local.set $entries (local.get $end))
        (local.set $zeros (i32.add (local.get $zeros) (i32.const 16)))
        (local.set $skipped (i32.add (local.get $skipped) (i32.const 1)))
        (local.set $results (i32.add (local.get $results) (i32.const 32)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $each_pair))))

  ;; Groups in which some are: memory begins with the power at each of the 4096 steps of half a step,
  ;; and at its end.
  (func (export "table")
    (param $entries i32) (param $count i32) (param $size i32)
    (param $zeros i32) (param $skipped i32) (param $results i32) (param $reaches i32)
    (local $x i32) (local $end i32)
    (local $zero v128) (local $reach v128) (local $round v128) (local $none v128)
    (local $half v128) (local $whole v128) (local $sign v128)
    (local $position v128) (local $d v128) (local $length v128) (local $at v128) (local $part v128)
    (local $first v128) (local $second v128) (local $power v128)
    (local $sum v128) (local $change v128)
    (local.set $round (f64x2.splat (f64.const 55340232221128654848)))
    (local.set $half (f64x2.splat (f64.const 0.5)))
    (local.set $whole (f64x2.splat (f64.const 6755399441055744)))
    (local.set $sign (v128.const i64x2 0x8000000000000000 0x8000000000000000))
    (block $done
      (loop $each_pair
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $end
          (i32.add (local.get $entries) (i32.shl (local.get $size) (i32.const 4))))
        (if (i32.eqz (i32.load8_u (local.get $skipped)))
          (then
            (local.set $x (local.get $entries))
            (local.set $zero (v128.load (local.get $zeros)))
            (local.set $reach (v128.load (local.get $reaches)))
            (local.set $sum (local.get $none))
            (local.set $change (local.get $none))
            (loop $each_entry
              (local.set $position (f64x2.add (local.get $zero) (v128.load (local.get $x))))
              (local.set $d (f64x2.sub (local.get $position)
                (f64x2.sub (f64x2.add (local.get $position) (local.get $round)) (local.get $round))))
              (local.set $length (f64x2.abs (local.get $d)))
              (local.set $sum (f64x2.add (local.get $sum) (local.get $length)))
              ;; The lowest bits of the sum are the number of the step in the table.
              (local.set $at (f64x2.add
                (f64x2.sub (local.get $length) (local.get $half)) (local.get $whole)))
              (local.set $part (f64x2.sub (local.get $length)
                (f64x2.sub (local.get $at) (local.get $whole))))
              (local.set $first (v128.load
                (i32.shl (i32x4.extract_lane 0 (local.get $at)) (i32.const 3))))
              (local.set $second (v128.load
                (i32.shl (i32x4.extract_lane 2 (local.get $at)) (i32.const 3))))
              (local.set $power
                (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23
                  (local.get $first) (local.get $second)))
              ;; The error or what limits it, with the sign of the error.
              (local.set $change (f64x2.add (local.get $change)
                (v128.or
                  (v128.and (local.get $sign) (local.get $d))
                  (f64x2.pmin (local.get $length)
                    (f64x2.mul (local.get $reach)
                      (f64x2.add (local.get $power)
                        (f64x2.mul (local.get $part)
                          (f64x2.sub
                            (i8x16.shuffle 8 9 10 11 12 13 14 15 24 25 26 27 28 29 30 31
                              (local.get $first) (local.get $second))
                            (local.get $power)))))))))
              (local.set $x (i32.add (local.get $x) (i32.const 16)))
              (br_if $each_entry (i32.lt_u (local.get $x) (local.get $end))))
            (v128.store (local.get $results) (local.get $sum))
            (v128.store offset=16 (local.get $results) (local.get $change))))
        (local.set $entries (local.get $end))
        (local.set $zeros (i32.add (local.get $zeros) (i32.const 16)))
        (local.set $reaches (i32.add (local.get $reaches) (i32.const 16)))
        (local.set $skipped (i32.add (local.get $skipped) (i32.const 1)))
        (local.set $results (i32.add (local.get $results) (i32.const 32)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $each_pair)))))
