;; Every row of `count` rows of `dim` float32, times the Hadamard matrix of `dim` entries, times
;; `scale`, in place. `dim` is a power of two of at least 4. Each pass adds and subtracts entries that
;; are `half` apart; the first two passes are those inside a vector.
(module
  (memory (export "memory") 1)
  (func (export "hadamard") (param $rows i32) (param $count i32) (param $dim i32) (param $scale f32)
    (local $row i32) (local $end i32) (local $bytes i32)
    (local $half i32) (local $block i32) (local $i i32) (local $j i32)
    (local $x v128) (local $y v128) (local $odd v128) (local $upper v128) (local $factor v128)
    (local.set $odd (v128.const i32x4 0 0x80000000 0 0x80000000))
    (local.set $upper (v128.const i32x4 0 0 0x80000000 0x80000000))
    (local.set $factor (f32x4.splat (local.get $scale)))
    (local.set $bytes (i32.shl (local.get $dim) (i32.const 2)))
    (local.set $row (local.get $rows))
    (block $rows_done
      (loop $each_row
        (br_if $rows_done (i32.eqz (local.get $count)))
        (local.set $end (i32.add (local.get $row) (local.get $bytes)))
        (local.set $i (local.get $row))
        (loop $each_vector
          (local.set $x (v128.load (local.get $i)))
          ;; a+b, a-b, c+d, c-d: a difference is the sum with the sign of what is taken off turned.
          (local.set $x (f32x4.add
            (i8x16.shuffle 0 1 2 3 0 1 2 3 8 9 10 11 8 9 10 11 (local.get $x) (local.get $x))
            (v128.xor (local.get $odd)
              (i8x16.shuffle 4 5 6 7 4 5 6 7 12 13 14 15 12 13 14 15
                (local.get $x) (local.get $x)))))
          (local.set $x (f32x4.add
            (i8x16.shuffle 0 1 2 3 4 5 6 7 0 1 2 3 4 5 6 7 (local.get $x) (local.get $x))
            (v128.xor (local.get $upper)
              (i8x16.shuffle 8 9 10 11 12 13 14 15 8 9 10 11 12 13 14 15
                (local.get $x) (local.get $x)))))
          (v128.store (local.get $i) (local.get $x))
          (local.set $i (i32.add (local.get $i) (i32.const 16)))
          (br_if $each_vector (i32.lt_u (local.get $i) (local.get $end))))
        (local.set $half (i32.const 16))
        (block $passes_done
          (loop $each_pass
            (br_if $passes_done (i32.ge_u (local.get $half) (local.get $bytes)))
            (local.set $block (local.get $row))
            (loop $each_block
              (local.set $i (local.get $block))
              (local.set $block (i32.add (local.get $block) (local.get $half)))
              (local.set $j (local.get $block))
              (loop $each_pair
                (local.set $x (v128.load (local.get $i)))
                (local.set $y (v128.load (local.get $j)))
                (v128.store (local.get $i) (f32x4.add (local.get $x) (local.get $y)))
                (v128.store (local.get $j) (f32x4.sub (local.get $x) (local.get $y)))
                (local.set $i (i32.add (local.get $i) (i32.const 16)))
                (local.set $j (i32.add (local.get $j) (i32.const 16)))
                (br_if $each_pair (i32.lt_u (local.get $i) (local.get $block))))
              (local.set $block (local.get $j))
              (br_if $each_block (i32.lt_u (local.get $block) (local.get $end))))
            (local.set $half (i32.shl (local.get $half) (i32.const 1)))
            (br $each_pass)))
        (local.set $i (local.get $row))
        (loop $each_scaled
          (v128.store (local.get $i)
            (f32x4.mul (local.get $factor) (v128.load (local.get $i))))
          (local.set $i (i32.add (local.get $i) (i32.const 16)))
          (br_if $each_scaled (i32.lt_u (local.get $i) (local.get $end))))
        (local.set $row (local.get $end))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $each_row)))))
