;; Codes of two bits for rows of values, between their extremes once the largest are clipped.
(module
  (memory (export "memory") 1)
  ;; `rows`: [count][channels], a multiple of four each. `largest`: room for as many numbers, in bytes, as
  ;; are not smaller than what the others are clipped to. `least`: what extremes differ by at least.
  ;; `codes`: [count][channels / 4] bytes. `ranges`: [count][2], scale and zero point.
  (func (export "code")
    (param $rows i32) (param $count i32) (param $channels i32)
    (param $largest i32) (param $largest_bytes i32) (param $least f32)
    (param $codes i32) (param $ranges i32)
    (local $row_bytes i32) (local $end i32) (local $at i32)
    (local $most f32) (local $scale f32) (local $zero f32)
    (local $x v128) (local $low v128) (local $high v128) (local $top v128) (local $bottom v128)
    (local $scales v128) (local $zeros v128)
    (local.set $row_bytes (i32.shl (local.get $channels) (i32.const 2)))
    (block $done
      (loop $each_row
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (local.set $end (i32.add (local.get $rows) (local.get $row_bytes)))
        (local.set $most (call $least_of_largest
          (local.get $rows) (local.get $end) (local.get $largest) (local.get $largest_bytes)))
        (local.set $top (f32x4.splat (local.get $most)))
        (local.set $bottom (f32x4.neg (local.get $top)))
        (local.set $low (f32x4.splat (f32.const inf)))
        (local.set $high (f32x4.neg (local.get $low)))
        (local.set $at (local.get $rows))
        (loop $each_clipped
          (local.set $x (f32x4.min (local.get $top)
            (f32x4.max (local.get $bottom) (v128.load (local.get $at)))))
          (v128.store (local.get $at) (local.get $x))
          (local.set $low (f32x4.min (local.get $low) (local.get $x)))
          (local.set $high (f32x4.max (local.get $high) (local.get $x)))
          (local.set $at (i32.add (local.get $at) (i32.const 16)))
          (br_if $each_clipped (i32.lt_u (local.get $at) (local.get $end))))
        (local.set $low (f32x4.min (local.get $low)
          (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7 (local.get $low) (local.get $low))))
        (local.set $high (f32x4.max (local.get $high)
          (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7 (local.get $high) (local.get $high))))
        (local.set $zero (f32.min
          (f32x4.extract_lane 0 (local.get $low)) (f32x4.extract_lane 1 (local.get $low))))
        (local.set $scale (f32.div
          (f32.max (local.get $least) (f32.sub
            (f32.max
              (f32x4.extract_lane 0 (local.get $high)) (f32x4.extract_lane 1 (local.get $high)))
            (local.get $zero)))
          (f32.const 3)))
        (local.set $zero (f32.div (f32.neg (local.get $zero)) (local.get $scale)))
        (f32.store (local.get $ranges) (local.get $scale))
        (f32.store offset=4 (local.get $ranges) (local.get $zero))
        (local.set $scales (f32x4.splat (local.get $scale)))
        (local.set $zeros (f32x4.splat (local.get $zero)))
        (local.set $at (local.get $rows))
        (loop $each_four
          (local.set $x (f32x4.add (local.get $zeros)
            (f32x4.div (v128.load (local.get $at)) (local.get $scales))))
          ;; As many halfway points as are not above it, the first code in the lowest bits.
          (local.set $x (i32x4.mul (v128.const i32x4 -1 -4 -16 -64) (i32x4.add
            (f32x4.ge (local.get $x) (f32x4.splat (f32.const 0.5)))
            (i32x4.add
              (f32x4.ge (local.get $x) (f32x4.splat (f32.const 1.5)))
              (f32x4.ge (local.get $x) (f32x4.splat (f32.const 2.5)))))))
          (local.set $x (v128.or (local.get $x)
            (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7 (local.get $x) (local.get $x))))
          (i32.store8 (local.get $codes) (i32.or
            (i32x4.extract_lane 0 (local.get $x)) (i32x4.extract_lane 1 (local.get $x))))
          (local.set $codes (i32.add (local.get $codes) (i32.const 1)))
          (local.set $at (i32.add (local.get $at) (i32.const 16)))
          (br_if $each_four (i32.lt_u (local.get $at) (local.get $end))))
        (local.set $ranges (i32.add (local.get $ranges) (i32.const 8)))
        (local.set $rows (local.get $end))
        (br $each_row))))

  ;; The least of the largest magnitudes of a row, which are kept in ascending order.
  (func $least_of_largest
    (param $at i32) (param $end i32) (param $largest i32) (param $bytes i32) (result f32)
    (local $x f32) (local $next f32) (local $place i32) (local $last i32)
    (memory.fill (local.get $largest) (i32.const 0) (local.get $bytes))
    (local.set $last
      (i32.sub (i32.add (local.get $largest) (local.get $bytes)) (i32.const 4)))
    (loop $each
      (local.set $x (f32.abs (f32.load (local.get $at))))
      (if (f32.gt (local.get $x) (f32.load (local.get $largest)))
        (then
          (local.set $place (local.get $largest))
          (block $found
            (loop $each_place
              (br_if $found (i32.ge_u (local.get $place) (local.get $last)))
              (local.set $next (f32.load offset=4 (local.get $place)))
              (br_if $found (f32.ge (local.get $next) (local.get $x)))
              (f32.store (local.get $place) (local.get $next))
              (local.set $place (i32.add (local.get $place) (i32.const 4)))
              (br $each_place)))
          (f32.store (local.get $place) (local.get $x))))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br_if $each (i32.lt_u (local.get $at) (local.get $end))))
    (f32.load (local.get $largest))))
