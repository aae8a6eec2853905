;; Corrects the channels behind a block by what quantizing the block's channels leaves over, for one head
;; and group of tokens: `$rows` of float32, `$row_bytes` from token to token. Sums are float64, each taken
;; in the order of the block's channels; squat_corrector_cpu.ts has the formulas, and is the reference.
(module
  (memory (export "memory") 1)

  ;; The smallest and largest entries of `$width` channels, a multiple of 4.
  (func (export "ends")
    (param $rows i32) (param $count i32) (param $row_bytes i32) (param $width i32)
    (param $lows i32) (param $highs i32)
    (local $at i32) (local $end i32) (local $stop i32)
    (local $low v128) (local $high v128) (local $entry v128)
    (local.set $stop (i32.add (local.get $rows) (i32.shl (local.get $width) (i32.const 2))))
    (loop $each_four
      (local.set $low (f32x4.splat (f32.const inf)))
      (local.set $high (f32x4.splat (f32.const -inf)))
      (local.set $at (local.get $rows))
      (local.set $end
        (i32.add (local.get $rows) (i32.mul (local.get $count) (local.get $row_bytes))))
      (loop $each_token
        (local.set $entry (v128.load (local.get $at)))
        (local.set $low (f32x4.pmin (local.get $low) (local.get $entry)))
        (local.set $high (f32x4.pmax (local.get $high) (local.get $entry)))
        (local.set $at (i32.add (local.get $at) (local.get $row_bytes)))
        (br_if $each_token (i32.lt_u (local.get $at) (local.get $end))))
      (v128.store (local.get $lows) (local.get $low))
      (v128.store (local.get $highs) (local.get $high))
      (local.set $lows (i32.add (local.get $lows) (i32.const 16)))
      (local.set $highs (i32.add (local.get $highs) (i32.const 16)))
      (local.set $rows (i32.add (local.get $rows) (i32.const 16)))
      (br_if $each_four (i32.lt_u (local.get $rows) (local.get $stop)))))

  ;; Corrects the `$later` channels behind the first `$width` ones; both are multiples of 8. `$channels`
  ;; holds the zero points of those, then steps per unit, stored scales and stored zero points, each
  ;; float64; `$matrix` is `[width][later]`; `$errors` is room for `$width` float64.
  (func (export "correct")
    (param $rows i32) (param $count i32) (param $row_bytes i32) (param $width i32)
    (param $later i32) (param $top f64) (param $most_error f64) (param $most_value f64)
    (param $channels i32) (param $matrix i32) (param $errors i32)
    (local $x i32) (local $e i32) (local $c i32) (local $scales i32) (local $m i32)
    (local $kind_bytes i32) (local $later_bytes i32) (local $errors_end i32) (local $stop i32)
    (local $column i32)
    (local $round v128) (local $none v128) (local $highest v128)
    (local $entry v128) (local $code v128) (local $error v128)
    (local $a v128) (local $b v128) (local $d v128) (local $f v128)
    (local.set $round (f64x2.splat (f64.const 6755399441055744)))
    (local.set $highest (f64x2.splat (local.get $top)))
    (local.set $kind_bytes (i32.shl (local.get $width) (i32.const 3)))
    (local.set $later_bytes (i32.shl (local.get $later) (i32.const 3)))
    (local.set $errors_end (i32.add (local.get $errors) (local.get $kind_bytes)))
    (loop $each_token
      (local.set $x (local.get $rows))
      (local.set $e (local.get $errors))
      (local.set $c (local.get $channels))
      (loop $each_pair
        (local.set $scales
          (i32.add (local.get $c) (i32.shl (local.get $kind_bytes) (i32.const 1))))
        (local.set $entry (f64x2.promote_low_f32x4 (v128.load64_zero (local.get $x))))
        (local.set $code (f64x2.sub
          (f64x2.add
            (f64x2.mul
              (f64x2.sub (local.get $entry) (v128.load (local.get $c)))
              (v128.load (i32.add (local.get $c) (local.get $kind_bytes))))
            (local.get $round))
          (local.get $round)))
        (local.set $code (f64x2.pmin
          (f64x2.pmax (local.get $code) (local.get $none))
          (local.get $highest)))
        (local.set $error (f64x2.sub
          (f64x2.add
            (f64x2.mul (local.get $code) (v128.load (local.get $scales)))
            (v128.load (i32.add (local.get $scales) (local.get $kind_bytes))))
          (local.get $entry)))
        (v128.store (local.get $e) (f64x2.pmin
          (f64x2.pmax (local.get $error) (f64x2.splat (f64.neg (local.get $most_error))))
          (f64x2.splat (local.get $most_error))))
        (local.set $x (i32.add (local.get $x) (i32.const 8)))
        (local.set $c (i32.add (local.get $c) (i32.const 16)))
        (local.set $e (i32.add (local.get $e) (i32.const 16)))
        (br_if $each_pair (i32.lt_u (local.get $e) (local.get $errors_end))))
      ;; What `$x` points to now are the later channels.
      (local.set $column (local.get $matrix))
      (local.set $stop (i32.add (local.get $matrix) (local.get $later_bytes)))
      (loop $each_eight
        (local.set $a (local.get $none)) (local.set $b (local.get $none))
        (local.set $d (local.get $none)) (local.set $f (local.get $none))
        (local.set $e (local.get $errors))
        (local.set $m (local.get $column))
        (loop $each_channel
          (local.set $error (v128.load64_splat (local.get $e)))
          (local.set $a (f64x2.add (local.get $a)
            (f64x2.mul (local.get $error) (v128.load (local.get $m)))))
          (local.set $b (f64x2.add (local.get $b)
            (f64x2.mul (local.get $error) (v128.load offset=16 (local.get $m)))))
          (local.set $d (f64x2.add (local.get $d)
            (f64x2.mul (local.get $error) (v128.load offset=32 (local.get $m)))))
          (local.set $f (f64x2.add (local.get $f)
            (f64x2.mul (local.get $error) (v128.load offset=48 (local.get $m)))))
          (local.set $m (i32.add (local.get $m) (local.get $later_bytes)))
          (local.set $e (i32.add (local.get $e) (i32.const 8)))
          (br_if $each_channel (i32.lt_u (local.get $e) (local.get $errors_end))))
        (call $add (local.get $x) (local.get $a) (local.get $b) (local.get $most_value))
        (call $add (i32.add (local.get $x) (i32.const 16)) (local.get $d) (local.get $f)
          (local.get $most_value))
        (local.set $x (i32.add (local.get $x) (i32.const 32)))
        (local.set $column (i32.add (local.get $column) (i32.const 64)))
        (br_if $each_eight (i32.lt_u (local.get $column) (local.get $stop))))
      (local.set $rows (i32.add (local.get $rows) (local.get $row_bytes)))
      (local.set $count (i32.sub (local.get $count) (i32.const 1)))
      (br_if $each_token (local.get $count))))

  ;; Adds to four entries, within bounds.
  (func $add (param $x i32) (param $a v128) (param $b v128) (param $most f64)
    (local $entries v128)
    (local.set $entries (v128.load (local.get $x)))
    (v128.store (local.get $x)
      (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23
        (call $bounded (local.get $most)
          (f64x2.add (f64x2.promote_low_f32x4 (local.get $entries)) (local.get $a)))
        (call $bounded (local.get $most)
          (f64x2.add
            (f64x2.promote_low_f32x4
              (i8x16.shuffle 8 9 10 11 12 13 14 15 8 9 10 11 12 13 14 15
                (local.get $entries) (local.get $entries)))
            (local.get $b))))))

  (func $bounded (param $most f64) (param $sum v128) (result v128)
    (f32x4.demote_f64x2_zero
      (f64x2.pmax
        (f64x2.pmin (local.get $sum) (f64x2.splat (local.get $most)))
        (f64x2.splat (f64.neg (local.get $most)))))))
