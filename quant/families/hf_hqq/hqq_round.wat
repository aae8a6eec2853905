;; A round of HQQ's search for pairs of groups, one group to a lane, so that every sum is taken in the
;; order of its entries. Everything is float64 and in steps; hqq_group.ts has the formulas, and is the
;; reference.
;;
;; Memory begins with a table: the power at each 8192th of a step up to one half, and how much more it is
;; at the next. Behind it is room for four pairs of places in it.
(module
  (memory (export "memory") 3)

  ;; Brings the entries of `$count` pairs of groups of `$size` each into steps, `[pairs][size][2]`, and
  ;; writes the ends of each group into the pair's record.
  (func (export "prepare")
    (param $data i32) (param $count i32) (param $size i32) (param $entries i32) (param $record i32)
    (local $other i32) (local $end i32)
    (local $steps v128) (local $entry v128) (local $low v128) (local $high v128)
    (block $done
      (loop $each_pair
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $end (i32.add (local.get $data) (i32.shl (local.get $size) (i32.const 2))))
        (local.set $other (local.get $end))
        (local.set $steps (v128.load offset=32 (local.get $record)))
        (local.set $low (f64x2.splat (f64.const inf)))
        (local.set $high (f64x2.splat (f64.const -inf)))
        (loop $each_entry
          ;; Products are rounded to float32, as entries are kept in.
          (local.set $entry (f64x2.promote_low_f32x4 (f32x4.demote_f64x2_zero (f64x2.mul
            (local.get $steps)
            (f64x2.promote_low_f32x4 (v128.load32_lane 1
              (local.get $other)
              (v128.load32_zero (local.get $data))))))))
          (local.set $low (f64x2.pmin (local.get $low) (local.get $entry)))
          (local.set $high (f64x2.pmax (local.get $high) (local.get $entry)))
          (v128.store (local.get $entries) (local.get $entry))
          (local.set $entries (i32.add (local.get $entries) (i32.const 16)))
          (local.set $other (i32.add (local.get $other) (i32.const 4)))
          (local.set $data (i32.add (local.get $data) (i32.const 4)))
          (br_if $each_entry (i32.lt_u (local.get $data) (local.get $end))))
        (v128.store offset=48 (local.get $record) (local.get $low))
        (v128.store offset=64 (local.get $record) (local.get $high))
        (local.set $data (local.get $other))
        (local.set $record (i32.add (local.get $record) (i32.const 144)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $each_pair))))

  ;; One round for `$count` pairs. A record holds, twice each: zero point, reach, steps per unit, smallest
  ;; and largest entry, largest code and a half, error, whether the zero point has arrived, and whether the
  ;; round is left to the caller because some entry is beyond the codes by half a step or more. Truth is
  ;; all bits. Returns how many pairs have something that is left.
  (func (export "round")
    (param $x i32) (param $count i32) (param $size i32) (param $record i32) (param $places i32)
    (param $arrived f64)
    (result i32)
    (local $end i32) (local $most i32) (local $left i32)
    (local $zero v128) (local $reach v128) (local $sum v128) (local $change v128)
    (local $here v128) (local $none v128)
    (local $scale v128) (local $magic v128) (local $sign v128)
    (local $d0 v128) (local $d1 v128) (local $d2 v128) (local $d3 v128)
    (local $part0 v128) (local $part1 v128) (local $part2 v128) (local $part3 v128)
    (local $a v128) (local $b v128)
    (local.set $scale (f64x2.splat (f64.const 8192)))
    ;; Added to a whole number, its lowest bits are 16 times that number: a place in the table.
    (local.set $magic (f64x2.splat (f64.const 422212465065984)))
    (local.set $sign (v128.const i64x2 0x8000000000000000 0x8000000000000000))
    (block $done
      (loop $each_pair
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $most (i32.add (local.get $x) (i32.shl (local.get $size) (i32.const 4))))
        (local.set $zero (v128.load (local.get $record)))
        (local.set $here (v128.and
          (f64x2.gt (f64x2.add (local.get $zero) (v128.load offset=48 (local.get $record)))
            (f64x2.splat (f64.const -0.5)))
          (f64x2.lt (f64x2.add (local.get $zero) (v128.load offset=64 (local.get $record)))
            (v128.load offset=80 (local.get $record)))))
        (local.set $a (v128.not
          (v128.or (local.get $here) (v128.load offset=112 (local.get $record)))))
        (v128.store offset=128 (local.get $record) (local.get $a))
        (local.set $left (i32.add (local.get $left) (v128.any_true (local.get $a))))
        (local.set $here (v128.andnot (local.get $here) (v128.load offset=112 (local.get $record))))
        (if (v128.any_true (local.get $here))
          (then
            (local.set $reach (v128.load offset=16 (local.get $record)))
            (local.set $sum (local.get $none))
            (local.set $change (local.get $none))
            (local.set $end (i32.and (local.get $size) (i32.const -4)))
            (local.set $end (i32.add (local.get $x) (i32.shl (local.get $end) (i32.const 4))))
            (block $fours_done
              (loop $each_four
                (br_if $fours_done (i32.ge_u (local.get $x) (local.get $end)))
                (local.set $a (f64x2.add (local.get $zero) (v128.load (local.get $x))))
                (local.set $d0 (f64x2.sub (local.get $a) (f64x2.nearest (local.get $a))))
                (local.set $a (f64x2.abs (local.get $d0)))
                (local.set $sum (f64x2.add (local.get $sum) (local.get $a)))
                (local.set $a (f64x2.mul (local.get $a) (local.get $scale)))
                (local.set $b (f64x2.floor (local.get $a)))
                (local.set $part0 (f64x2.sub (local.get $a) (local.get $b)))
                (v128.store (local.get $places) (f64x2.add (local.get $b) (local.get $magic)))
                (local.set $a (f64x2.add (local.get $zero) (v128.load offset=16 (local.get $x))))
                (local.set $d1 (f64x2.sub (local.get $a) (f64x2.nearest (local.get $a))))
                (local.set $a (f64x2.abs (local.get $d1)))
                (local.set $sum (f64x2.add (local.get $sum) (local.get $a)))
                (local.set $a (f64x2.mul (local.get $a) (local.get $scale)))
                (local.set $b (f64x2.floor (local.get $a)))
                (local.set $part1 (f64x2.sub (local.get $a) (local.get $b)))
                (v128.store offset=16 (local.get $places) (f64x2.add (local.get $b) (local.get $magic)))
                (local.set $a (f64x2.add (local.get $zero) (v128.load offset=32 (local.get $x))))
                (local.set $d2 (f64x2.sub (local.get $a) (f64x2.nearest (local.get $a))))
                (local.set $a (f64x2.abs (local.get $d2)))
                (local.set $sum (f64x2.add (local.get $sum) (local.get $a)))
                (local.set $a (f64x2.mul (local.get $a) (local.get $scale)))
                (local.set $b (f64x2.floor (local.get $a)))
                (local.set $part2 (f64x2.sub (local.get $a) (local.get $b)))
                (v128.store offset=32 (local.get $places) (f64x2.add (local.get $b) (local.get $magic)))
                (local.set $a (f64x2.add (local.get $zero) (v128.load offset=48 (local.get $x))))
                (local.set $d3 (f64x2.sub (local.get $a) (f64x2.nearest (local.get $a))))
                (local.set $a (f64x2.abs (local.get $d3)))
                (local.set $sum (f64x2.add (local.get $sum) (local.get $a)))
                (local.set $a (f64x2.mul (local.get $a) (local.get $scale)))
                (local.set $b (f64x2.floor (local.get $a)))
                (local.set $part3 (f64x2.sub (local.get $a) (local.get $b)))
                (v128.store offset=48 (local.get $places) (f64x2.add (local.get $b) (local.get $magic)))
                (local.set $a (v128.load (i32.load (local.get $places))))
                (local.set $b (v128.load (i32.load offset=8 (local.get $places))))
                (local.set $change (f64x2.add (local.get $change)
                  (v128.or
                    (v128.and (local.get $sign) (local.get $d0))
                    (f64x2.pmin (f64x2.abs (local.get $d0))
                      (f64x2.mul (local.get $reach)
                        (f64x2.add
                          (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23 (local.get $a) (local.get $b))
                          (f64x2.mul (local.get $part0)
                            (i8x16.shuffle 8 9 10 11 12 13 14 15 24 25 26 27 28 29 30 31
                              (local.get $a) (local.get $b)))))))))
                (local.set $a (v128.load (i32.load offset=16 (local.get $places))))
                (local.set $b (v128.load (i32.load offset=24 (local.get $places))))
                (local.set $change (f64x2.add (local.get $change)
                  (v128.or
                    (v128.and (local.get $sign) (local.get $d1))
                    (f64x2.pmin (f64x2.abs (local.get $d1))
                      (f64x2.mul (local.get $reach)
                        (f64x2.add
                          (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23 (local.get $a) (local.get $b))
                          (f64x2.mul (local.get $part1)
                            (i8x16.shuffle 8 9 10 11 12 13 14 15 24 25 26 27 28 29 30 31
                              (local.get $a) (local.get $b)))))))))
                (local.set $a (v128.load (i32.load offset=32 (local.get $places))))
                (local.set $b (v128.load (i32.load offset=40 (local.get $places))))
                (local.set $change (f64x2.add (local.get $change)
                  (v128.or
                    (v128.and (local.get $sign) (local.get $d2))
                    (f64x2.pmin (f64x2.abs (local.get $d2))
                      (f64x2.mul (local.get $reach)
                        (f64x2.add
                          (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23 (local.get $a) (local.get $b))
                          (f64x2.mul (local.get $part2)
                            (i8x16.shuffle 8 9 10 11 12 13 14 15 24 25 26 27 28 29 30 31
                              (local.get $a) (local.get $b)))))))))
                (local.set $a (v128.load (i32.load offset=48 (local.get $places))))
                (local.set $b (v128.load (i32.load offset=56 (local.get $places))))
                (local.set $change (f64x2.add (local.get $change)
                  (v128.or
                    (v128.and (local.get $sign) (local.get $d3))
                    (f64x2.pmin (f64x2.abs (local.get $d3))
                      (f64x2.mul (local.get $reach)
                        (f64x2.add
                          (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23 (local.get $a) (local.get $b))
                          (f64x2.mul (local.get $part3)
                            (i8x16.shuffle 8 9 10 11 12 13 14 15 24 25 26 27 28 29 30 31
                              (local.get $a) (local.get $b)))))))))
                (local.set $x (i32.add (local.get $x) (i32.const 64)))
                (br $each_four)))
            (block $rest_done
              (loop $each_entry
                (br_if $rest_done (i32.ge_u (local.get $x) (local.get $most)))
                (local.set $a (f64x2.add (local.get $zero) (v128.load (local.get $x))))
                (local.set $d0 (f64x2.sub (local.get $a) (f64x2.nearest (local.get $a))))
                (local.set $a (f64x2.abs (local.get $d0)))
                (local.set $sum (f64x2.add (local.get $sum) (local.get $a)))
                (local.set $a (f64x2.mul (local.get $a) (local.get $scale)))
                (local.set $b (f64x2.floor (local.get $a)))
                (local.set $part0 (f64x2.sub (local.get $a) (local.get $b)))
                (v128.store (local.get $places) (f64x2.add (local.get $b) (local.get $magic)))
                (local.set $a (v128.load (i32.load (local.get $places))))
                (local.set $b (v128.load (i32.load offset=8 (local.get $places))))
                (local.set $change (f64x2.add (local.get $change)
                  (v128.or
                    (v128.and (local.get $sign) (local.get $d0))
                    (f64x2.pmin (f64x2.abs (local.get $d0))
                      (f64x2.mul (local.get $reach)
                        (f64x2.add
                          (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23 (local.get $a) (local.get $b))
                          (f64x2.mul (local.get $part0)
                            (i8x16.shuffle 8 9 10 11 12 13 14 15 24 25 26 27 28 29 30 31
                              (local.get $a) (local.get $b)))))))))
                (local.set $x (i32.add (local.get $x) (i32.const 16)))
                (br $each_entry)))
            (local.set $change (f64x2.div (local.get $change)
              (f64x2.splat (f64.convert_i32_u (local.get $size)))))
            (v128.store (local.get $record) (v128.bitselect
              (f64x2.sub (local.get $zero) (local.get $change)) (local.get $zero) (local.get $here)))
            (v128.store offset=96 (local.get $record) (v128.bitselect
              (f64x2.div (local.get $sum) (v128.load offset=32 (local.get $record)))
              (v128.load offset=96 (local.get $record))
              (local.get $here)))
            (v128.store offset=112 (local.get $record) (v128.or
              (v128.load offset=112 (local.get $record))
              (v128.and (local.get $here)
                (f64x2.lt (f64x2.abs (local.get $change)) (f64x2.splat (local.get $arrived))))))))
        (local.set $x (local.get $most))
        (local.set $record (i32.add (local.get $record) (i32.const 144)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $each_pair)))
    (local.get $left)))
