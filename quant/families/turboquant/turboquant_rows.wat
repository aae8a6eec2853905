;; Codes of rotated rows, and rows of codes turned back, for one head; turboquant_rows.ts says what is
;; certain and what is not.
(module
  (memory (export "memory") 1)

  ;; The codes of `$count` rows of `$width` float32 entries, a multiple of 16: how many of `$bounds`
  ;; midpoints an entry is above. They are packed as bit streams of at most 4 bits a code, `$stride` bytes
  ;; from row to row. A row in which some entry is within `$doubt` of a midpoint is marked.
  (func (export "encode")
    (param $rows i32) (param $count i32) (param $width i32)
    (param $midpoints i32) (param $bounds i32) (param $doubt f32)
    (param $bits i32) (param $words i32) (param $stride i32) (param $doubtful i32)
    (local $end i32) (local $word i32) (local $packed i64) (local $filled i64)
    (local $unsure v128) (local $slack v128) (local $zero v128)
    (local $pairs v128) (local $fours v128)
    (local $first v128) (local $second v128) (local $halves v128)
    (local.set $slack (f32x4.splat (local.get $doubt)))
    ;; To put codes side by side: every other one by as many bits as one takes, then by as many as two.
    (local.set $pairs (i32x4.splat
      (i32.or (i32.const 1) (i32.shl (i32.const 65536) (local.get $bits)))))
    (local.set $fours (i32x4.splat (i32.or (i32.const 1)
      (i32.shl (i32.const 65536) (i32.shl (local.get $bits) (i32.const 1))))))
    (block $done
      (loop $each_row
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $end (i32.add (local.get $rows) (i32.shl (local.get $width) (i32.const 2))))
        (local.set $word (local.get $words))
        (local.set $packed (i64.const 0))
        (local.set $filled (i64.const 0))
        (local.set $unsure (local.get $zero))
        (loop $each_sixteen
          (call $eight (local.get $rows) (local.get $midpoints) (local.get $bounds)
            (local.get $slack) (local.get $unsure))
          (local.set $unsure)
          (local.set $first)
          (call $eight (i32.add (local.get $rows) (i32.const 32)) (local.get $midpoints)
            (local.get $bounds) (local.get $slack) (local.get $unsure))
          (local.set $unsure)
          (local.set $second)
          (local.set $halves (i32x4.dot_i16x8_s (local.get $fours)
            (i16x8.narrow_i32x4_u
              (i32x4.dot_i16x8_s (local.get $pairs) (local.get $first))
              (i32x4.dot_i16x8_s (local.get $pairs) (local.get $second)))))
          (call $append (local.get $packed) (local.get $filled) (local.get $word)
            (i64x2.extract_lane 0 (local.get $halves)) (local.get $bits))
          (local.set $word)
          (local.set $filled)
          (local.set $packed)
          (call $append (local.get $packed) (local.get $filled) (local.get $word)
            (i64x2.extract_lane 1 (local.get $halves)) (local.get $bits))
          (local.set $word)
          (local.set $filled)
          (local.set $packed)
          (local.set $rows (i32.add (local.get $rows) (i32.const 64)))
          (br_if $each_sixteen (i32.lt_u (local.get $rows) (local.get $end))))
        (if (i64.ne (local.get $filled) (i64.const 0))
          (then (i64.store32 (local.get $word) (local.get $packed))))
        (i32.store8 (local.get $doubtful) (v128.any_true (local.get $unsure)))
        (local.set $doubtful (i32.add (local.get $doubtful) (i32.const 1)))
        (local.set $words (i32.add (local.get $words) (local.get $stride)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $each_row))))

  ;; The codes of eight entries, and whether one of them is in doubt.
  (func $eight
    (param $rows i32) (param $midpoint i32) (param $bounds i32) (param $slack v128)
    (param $unsure v128) (result v128 v128)
    (local $end i32) (local $bound v128)
    (local $low0 v128) (local $high0 v128) (local $low1 v128) (local $high1 v128)
    (local $below0 v128) (local $above0 v128) (local $below1 v128) (local $above1 v128)
    (local.set $end (i32.add (local.get $midpoint) (i32.shl (local.get $bounds) (i32.const 2))))
    (local.set $bound (v128.load (local.get $rows)))
    (local.set $low0 (f32x4.sub (local.get $bound) (local.get $slack)))
    (local.set $high0 (f32x4.add (local.get $bound) (local.get $slack)))
    (local.set $bound (v128.load offset=16 (local.get $rows)))
    (local.set $low1 (f32x4.sub (local.get $bound) (local.get $slack)))
    (local.set $high1 (f32x4.add (local.get $bound) (local.get $slack)))
    (loop $each_midpoint
      (local.set $bound (v128.load32_splat (local.get $midpoint)))
      ;; What is true is -1.
      (local.set $below0
        (i32x4.sub (local.get $below0) (f32x4.gt (local.get $low0) (local.get $bound))))
      (local.set $above0
        (i32x4.sub (local.get $above0) (f32x4.gt (local.get $high0) (local.get $bound))))
      (local.set $below1
        (i32x4.sub (local.get $below1) (f32x4.gt (local.get $low1) (local.get $bound))))
      (local.set $above1
        (i32x4.sub (local.get $above1) (f32x4.gt (local.get $high1) (local.get $bound))))
      (local.set $midpoint (i32.add (local.get $midpoint) (i32.const 4)))
      (br_if $each_midpoint (i32.lt_u (local.get $midpoint) (local.get $end))))
    (i16x8.narrow_i32x4_u (local.get $below0) (local.get $below1))
    (v128.or (local.get $unsure) (v128.or
      (v128.xor (local.get $below0) (local.get $above0))
      (v128.xor (local.get $below1) (local.get $above1)))))

  ;; Appends eight codes, four in each half, to a row's bits; words that are full are stored.
  (func $append
    (param $packed i64) (param $filled i64) (param $word i32) (param $codes i64) (param $bits i32)
    (result i64 i64 i32)
    (local $eight i64)
    (local.set $eight (i64.extend_i32_u (i32.shl (local.get $bits) (i32.const 3))))
    (local.set $packed (i64.or (local.get $packed) (i64.shl
      (i64.or
        (i64.and (local.get $codes) (i64.const 0xffffffff))
        (i64.shl (i64.shr_u (local.get $codes) (i64.const 32))
          (i64.shr_u (local.get $eight) (i64.const 1))))
      (local.get $filled))))
    (local.set $filled (i64.add (local.get $filled) (local.get $eight)))
    (if (i64.ge_u (local.get $filled) (i64.const 32))
      (then
        (i64.store32 (local.get $word) (local.get $packed))
        (local.set $word (i32.add (local.get $word) (i32.const 4)))
        (local.set $packed (i64.shr_u (local.get $packed) (i64.const 32)))
        (local.set $filled (i64.sub (local.get $filled) (i64.const 32)))))
    (local.get $packed)
    (local.get $filled)
    (local.get $word))

  ;; Where in 16 columns of the table the sums of a row's pairs of codes are: `$pairs` numbers a row.
  ;; `$bits` are those of a pair.
  (func (export "places")
    (param $words i32) (param $stride i32) (param $count i32) (param $pairs i32)
    (param $bits i32) (param $places i32)
    (local $bit i32) (local $from i32) (local $end i32) (local $mask i32) (local $step i32)
    (local.set $mask (i32.sub (i32.shl (i32.const 1) (local.get $bits)) (i32.const 1)))
    (local.set $step (i32.shl (i32.const 128) (local.get $bits)))
    (local.set $end (i32.mul (local.get $pairs) (local.get $bits)))
    (block $done
      (loop $each_row
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $bit (i32.const 0))
        (local.set $from (i32.const 0))
        (loop $each_pair
          (i32.store (local.get $places)
            (i32.add (local.get $from)
              (i32.shl
                (i32.and (local.get $mask)
                  (i32.shr_u
                    (i32.load align=1
                      (i32.add (local.get $words) (i32.shr_u (local.get $bit) (i32.const 3))))
                    (i32.and (local.get $bit) (i32.const 7))))
                (i32.const 7))))
          (local.set $places (i32.add (local.get $places) (i32.const 4)))
          (local.set $from (i32.add (local.get $from) (local.get $step)))
          (local.set $bit (i32.add (local.get $bit) (local.get $bits)))
          (br_if $each_pair (i32.lt_u (local.get $bit) (local.get $end))))
        (local.set $words (i32.add (local.get $words) (local.get $stride)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $each_row))))

  ;; 16 columns of `$count` rows: sums over a row's pairs, times its length, in float32, `$out_bytes` from
  ;; row to row. A row in which `$doubt` times its length more or less is another float32 is marked.
  (func (export "decode")
    (param $places i32) (param $count i32) (param $pairs i32) (param $table i32)
    (param $lengths i32) (param $doubt f64) (param $out i32) (param $out_bytes i32)
    (param $doubtful i32)
    (local $at i32) (local $end i32) (local $length v128) (local $slack v128) (local $zero v128)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (local $e v128) (local $f v128) (local $g v128) (local $h v128)
    (block $done
      (loop $each_row
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $end (i32.add (local.get $places) (i32.shl (local.get $pairs) (i32.const 2))))
        (local.set $a (local.get $zero)) (local.set $b (local.get $zero))
        (local.set $c (local.get $zero)) (local.set $d (local.get $zero))
        (local.set $e (local.get $zero)) (local.set $f (local.get $zero))
        (local.set $g (local.get $zero)) (local.set $h (local.get $zero))
        (loop $each_pair
          (local.set $at (i32.add (local.get $table) (i32.load (local.get $places))))
          (local.set $a (f64x2.add (local.get $a) (v128.load (local.get $at))))
          (local.set $b (f64x2.add (local.get $b) (v128.load offset=16 (local.get $at))))
          (local.set $c (f64x2.add (local.get $c) (v128.load offset=32 (local.get $at))))
          (local.set $d (f64x2.add (local.get $d) (v128.load offset=48 (local.get $at))))
          (local.set $e (f64x2.add (local.get $e) (v128.load offset=64 (local.get $at))))
          (local.set $f (f64x2.add (local.get $f) (v128.load offset=80 (local.get $at))))
          (local.set $g (f64x2.add (local.get $g) (v128.load offset=96 (local.get $at))))
          (local.set $h (f64x2.add (local.get $h) (v128.load offset=112 (local.get $at))))
          (local.set $places (i32.add (local.get $places) (i32.const 4)))
          (br_if $each_pair (i32.lt_u (local.get $places) (local.get $end))))
        (local.set $length (v128.load64_splat (local.get $lengths)))
        (local.set $slack (f64x2.mul (local.get $length) (f64x2.splat (local.get $doubt))))
        (i32.store8 (local.get $doubtful) (i32.or
          (i32.load8_u (local.get $doubtful))
          (v128.any_true (v128.or
            (v128.or
              (call $store (local.get $out) (local.get $slack)
                (f64x2.mul (local.get $a) (local.get $length))
                (f64x2.mul (local.get $b) (local.get $length)))
              (call $store (i32.add (local.get $out) (i32.const 16)) (local.get $slack)
                (f64x2.mul (local.get $c) (local.get $length))
                (f64x2.mul (local.get $d) (local.get $length))))
            (v128.or
              (call $store (i32.add (local.get $out) (i32.const 32)) (local.get $slack)
                (f64x2.mul (local.get $e) (local.get $length))
                (f64x2.mul (local.get $f) (local.get $length)))
              (call $store (i32.add (local.get $out) (i32.const 48)) (local.get $slack)
                (f64x2.mul (local.get $g) (local.get $length))
                (f64x2.mul (local.get $h) (local.get $length))))))))
        (local.set $doubtful (i32.add (local.get $doubtful) (i32.const 1)))
        (local.set $lengths (i32.add (local.get $lengths) (i32.const 8)))
        (local.set $out (i32.add (local.get $out) (local.get $out_bytes)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $each_row))))

  ;; Stores four numbers as float32, and says where their bits would be others if they were off.
  (func $store (param $out i32) (param $slack v128) (param $a v128) (param $b v128) (result v128)
    (local $low v128)
    (local.set $low (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23
      (f32x4.demote_f64x2_zero (f64x2.sub (local.get $a) (local.get $slack)))
      (f32x4.demote_f64x2_zero (f64x2.sub (local.get $b) (local.get $slack)))))
    (v128.store (local.get $out) (local.get $low))
    (v128.xor (local.get $low)
      (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23
        (f32x4.demote_f64x2_zero (f64x2.add (local.get $a) (local.get $slack)))
        (f32x4.demote_f64x2_zero (f64x2.add (local.get $b) (local.get $slack)))))))
