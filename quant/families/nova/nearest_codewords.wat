;; The nearest of some codewords of four components, for one group of four components of many rows.
;;
;; Codewords lie four to a chunk of 80 bytes: their first components, their second, third and fourth
;; ones, then the four indices; chunks ascend by one of the components. Two tables of 64 bytes say for
;; a range of that component in which chunk those from there on begin, and behind which one those up to
;; there end, so that only chunks are looked at which may hold something as near as what is known.
(module
  (memory (export "memory") 1)
  ;; `rows`: [count] of `row_bytes` each, the group's components first. `codes`: [count] 16-bit numbers,
  ;; `code_bytes` apart: the nearest codeword's index, or 65535 where float32 cannot tell it from another.
  (func (export "find")
    (param $rows i32) (param $count i32) (param $row_bytes i32)
    (param $codes i32) (param $code_bytes i32)
    (param $chunks i32) (param $chunk_count i32) (param $starts i32) (param $ends i32)
    ;; Bytes to the component that chunks ascend by, its lowest value, and ranges to one unit of it.
    (param $along i32) (param $low f32) (param $per_unit f32)
    (param $scratch i32)
    (local $end i32) (local $at i32) (local $last i32) (local $found i32)
    (local $x v128) (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (local $distance v128) (local $least v128) (local $second v128) (local $places v128)
    (local $nearer v128) (local $middle f32) (local $reach f32) (local $limit f32)
    (local.set $end (i32.add (local.get $rows) (i32.mul (local.get $count) (local.get $row_bytes))))
    (block $rows_done
      (loop $each_row
        (br_if $rows_done (i32.ge_u (local.get $rows) (local.get $end)))
        (local.set $x (v128.load (local.get $rows)))
        (local.set $a (i8x16.shuffle 0 1 2 3 0 1 2 3 0 1 2 3 0 1 2 3 (local.get $x) (local.get $x)))
        (local.set $b (i8x16.shuffle 4 5 6 7 4 5 6 7 4 5 6 7 4 5 6 7 (local.get $x) (local.get $x)))
        (local.set $c
          (i8x16.shuffle 8 9 10 11 8 9 10 11 8 9 10 11 8 9 10 11 (local.get $x) (local.get $x)))
        (local.set $d
          (i8x16.shuffle 12 13 14 15 12 13 14 15 12 13 14 15 12 13 14 15
            (local.get $x) (local.get $x)))
        ;; What is nearest of three chunks about it is not far.
        (local.set $middle (f32.load (i32.add (local.get $rows) (local.get $along))))
        (local.set $found (i32.sub
          (i32.load8_u (i32.add (local.get $starts)
            (call $range (local.get $middle) (local.get $low) (local.get $per_unit))))
          (i32.const 1)))
        (if (i32.gt_s (local.get $found) (i32.sub (local.get $chunk_count) (i32.const 3)))
          (then (local.set $found (i32.sub (local.get $chunk_count) (i32.const 3)))))
        (if (i32.lt_s (local.get $found) (i32.const 0)) (then (local.set $found (i32.const 0))))
        (local.set $at
          (i32.add (local.get $chunks) (i32.mul (local.get $found) (i32.const 80))))
        (local.set $least (f32x4.min
          (call $distances (local.get $at)
            (local.get $a) (local.get $b) (local.get $c) (local.get $d))
          (f32x4.min
            (call $distances (i32.add (local.get $at) (i32.const 80))
              (local.get $a) (local.get $b) (local.get $c) (local.get $d))
            (call $distances (i32.add (local.get $at) (i32.const 160))
              (local.get $a) (local.get $b) (local.get $c) (local.get $d)))))
        (local.set $reach (f32.add (f32.const 1e-4) (f32.mul (f32.const 1.0001)
          (f32.sqrt (call $least_lane (local.get $least))))))
        (local.set $at (i32.add (local.get $chunks) (i32.mul (i32.const 80)
          (i32.load8_u (i32.add (local.get $starts) (call $range
            (f32.sub (local.get $middle) (local.get $reach))
            (local.get $low) (local.get $per_unit)))))))
        (local.set $last (i32.add (local.get $chunks) (i32.mul (i32.const 80)
          (i32.load8_u (i32.add (local.get $ends) (call $range
            (f32.add (local.get $middle) (local.get $reach))
            (local.get $low) (local.get $per_unit)))))))
        (local.set $least (f32x4.splat (f32.const inf)))
        (local.set $second (local.get $least))
        (loop $each_chunk
          (local.set $distance (call $distances (local.get $at)
            (local.get $a) (local.get $b) (local.get $c) (local.get $d)))
          (local.set $nearer (f32x4.lt (local.get $distance) (local.get $least)))
          (local.set $places (v128.bitselect
            (v128.load offset=64 (local.get $at)) (local.get $places) (local.get $nearer)))
          (local.set $second (f32x4.pmin (local.get $second)
            (f32x4.pmax (local.get $least) (local.get $distance))))
          (local.set $least (f32x4.pmin (local.get $least) (local.get $distance)))
          (local.set $at (i32.add (local.get $at) (i32.const 80)))
          (br_if $each_chunk (i32.lt_u (local.get $at) (local.get $last))))
        ;; One of them alone is within what rounding may have done to the least.
        (local.set $limit (f32.add (f32.const 2e-5) (f32.mul (f32.const 0x1.0001p0)
          (call $least_lane (local.get $least)))))
        (local.set $found (i32x4.bitmask
          (f32x4.le (local.get $least) (f32x4.splat (local.get $limit)))))
        (if (i32.or
            (i32.ne (i32.popcnt (local.get $found)) (i32.const 1))
            (v128.any_true (f32x4.le (local.get $second) (f32x4.splat (local.get $limit)))))
          (then (i32.store16 (local.get $codes) (i32.const 65535)))
          (else
            (v128.store (local.get $scratch) (local.get $places))
            (i32.store16 (local.get $codes) (i32.load (i32.add (local.get $scratch)
              (i32.shl (i32.ctz (local.get $found)) (i32.const 2)))))))
        (local.set $codes (i32.add (local.get $codes) (local.get $code_bytes)))
        (local.set $rows (i32.add (local.get $rows) (local.get $row_bytes)))
        (br $each_row))))

  ;; The range that a value of the component lies in, 0 to 63; rounding keeps their order.
  (func $range (param $value f32) (param $low f32) (param $per_unit f32) (result i32)
    (i32.trunc_sat_f32_u (f32.min (f32.const 63)
      (f32.mul (f32.sub (local.get $value) (local.get $low)) (local.get $per_unit)))))

  ;; Squared distances to the codewords of a chunk.
  (func $distances (param $at i32) (param $a v128) (param $b v128) (param $c v128) (param $d v128)
    (result v128)
    (local.set $a (f32x4.sub (local.get $a) (v128.load (local.get $at))))
    (local.set $b (f32x4.sub (local.get $b) (v128.load offset=16 (local.get $at))))
    (local.set $c (f32x4.sub (local.get $c) (v128.load offset=32 (local.get $at))))
    (local.set $d (f32x4.sub (local.get $d) (v128.load offset=48 (local.get $at))))
    (f32x4.add
      (f32x4.add (f32x4.mul (local.get $a) (local.get $a)) (f32x4.mul (local.get $b) (local.get $b)))
      (f32x4.add (f32x4.mul (local.get $c) (local.get $c)) (f32x4.mul (local.get $d) (local.get $d)))))

  (func $least_lane (param $x v128) (result f32)
    (local.set $x (f32x4.pmin (local.get $x)
      (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7 (local.get $x) (local.get $x))))
    (f32.min (f32x4.extract_lane 0 (local.get $x)) (f32x4.extract_lane 1 (local.get $x)))))
