;; out[r][c] = sum over i of rows[r][i] * matrix[c][i], all float32 and row-major.
;; `count` is a multiple of 2, `columns` and `inner` of 4. Two rows meet four columns at a time: eight
;; vector sums live in registers, and every vector that is loaded is used more than once.
(module
  (memory (export "memory") 1)
  (func (export "multiply")
    (param $rows i32) (param $count i32) (param $matrix i32) (param $columns i32)
    (param $inner i32) (param $out i32)
    (local $row_bytes i32) (local $out_bytes i32)
    (local $r i32) (local $c i32)
    (local $a i32) (local $end i32) (local $b i32) (local $o i32)
    (local $x v128) (local $y v128) (local $m v128)
    (local $s0 v128) (local $s1 v128) (local $s2 v128) (local $s3 v128)
    (local $t0 v128) (local $t1 v128) (local $t2 v128) (local $t3 v128)
    (local $zero v128)
    (local.set $row_bytes (i32.shl (local.get $inner) (i32.const 2)))
    (local.set $out_bytes (i32.shl (local.get $columns) (i32.const 2)))
    (local.set $r (i32.const 0))
    (block $rows_done
      (loop $each_row
        (br_if $rows_done (i32.ge_u (local.get $r) (local.get $count)))
        (local.set $c (i32.const 0))
        (local.set $b (local.get $matrix))
        (local.set $o (i32.add (local.get $out) (i32.mul (local.get $r) (local.get $out_bytes))))
        (block $columns_done
          (loop $each_column
            (br_if $columns_done (i32.ge_u (local.get $c) (local.get $columns)))
            (local.set $s0 (local.get $zero)) (local.set $s1 (local.get $zero))
            (local.set $s2 (local.get $zero)) (local.set $s3 (local.get $zero))
            (local.set $t0 (local.get $zero)) (local.set $t1 (local.get $zero))
            (local.set $t2 (local.get $zero)) (local.set $t3 (local.get $zero))
            (local.set $a
              (i32.add (local.get $rows) (i32.mul (local.get $r) (local.get $row_bytes))))
            (local.set $end (i32.add (local.get $a) (local.get $row_bytes)))
            (loop $each_inner
              (local.set $x (v128.load (local.get $a)))
              (local.set $y (v128.load (i32.add (local.get $a) (local.get $row_bytes))))
              (local.set $m (v128.load (local.get $b)))
              (local.set $s0 (f32x4.add (local.get $s0) (f32x4.mul (local.get $x) (local.get $m))))
              (local.set $t0 (f32x4.add (local.get $t0) (f32x4.mul (local.get $y) (local.get $m))))
              (local.set $m (v128.load (i32.add (local.get $b) (local.get $row_bytes))))
              (local.set $s1 (f32x4.add (local.get $s1) (f32x4.mul (local.get $x) (local.get $m))))
              (local.set $t1 (f32x4.add (local.get $t1) (f32x4.mul (local.get $y) (local.get $m))))
              (local.set $m (v128.load
                (i32.add (local.get $b) (i32.shl (local.get $row_bytes) (i32.const 1)))))
              (local.set $s2 (f32x4.add (local.get $s2) (f32x4.mul (local.get $x) (local.get $m))))
              (local.set $t2 (f32x4.add (local.get $t2) (f32x4.mul (local.get $y) (local.get $m))))
              (local.set $m (v128.load
                (i32.add (local.get $b) (i32.mul (local.get $row_bytes) (i32.const 3)))))
              (local.set $s3 (f32x4.add (local.get $s3) (f32x4.mul (local.get $x) (local.get $m))))
              (local.set $t3 (f32x4.add (local.get $t3) (f32x4.mul (local.get $y) (local.get $m))))
              (local.set $a (i32.add (local.get $a) (i32.const 16)))
              (local.set $b (i32.add (local.get $b) (i32.const 16)))
              (br_if $each_inner (i32.lt_u (local.get $a) (local.get $end))))
            (v128.store (local.get $o) (call $sums
              (local.get $s0) (local.get $s1) (local.get $s2) (local.get $s3)))
            (v128.store (i32.add (local.get $o) (local.get $out_bytes)) (call $sums
              (local.get $t0) (local.get $t1) (local.get $t2) (local.get $t3)))
            (local.set $o (i32.add (local.get $o) (i32.const 16)))
            ;; The inner loop has walked through the first of the four columns.
            (local.set $b (i32.add (local.get $b) (i32.mul (local.get $row_bytes) (i32.const 3))))
            (local.set $c (i32.add (local.get $c) (i32.const 4)))
            (br $each_column)))
        (local.set $r (i32.add (local.get $r) (i32.const 2)))
        (br $each_row))))

  ;; The sums of the lanes of four vectors.
  (func $sums (param $a v128) (param $b v128) (param $c v128) (param $d v128) (result v128)
    (local $ab v128) (local $cd v128)
    ;; a0+a2, a1+a3, b0+b2, b1+b3; then the same of c and d; then neighbours.
    (local.set $ab (f32x4.add
      (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23 (local.get $a) (local.get $b))
      (i8x16.shuffle 8 9 10 11 12 13 14 15 24 25 26 27 28 29 30 31 (local.get $a) (local.get $b))))
    (local.set $cd (f32x4.add
      (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23 (local.get $c) (local.get $d))
      (i8x16.shuffle 8 9 10 11 12 13 14 15 24 25 26 27 28 29 30 31 (local.get $c) (local.get $d))))
    (f32x4.add
      (i8x16.shuffle 0 1 2 3 8 9 10 11 16 17 18 19 24 25 26 27 (local.get $ab) (local.get $cd))
      (i8x16.shuffle 4 5 6 7 12 13 14 15 20 21 22 23 28 29 30 31 (local.get $ab) (local.get $cd)))))
