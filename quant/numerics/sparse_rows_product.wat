;; out[r][c] = sum over i of rows[r][i] * matrix[i][c], all float32 and row-major, of the entries of
;; `rows` that are not 0. `inner` and `columns` are multiples of 4. Sums are added as
;; rows_times_columns.wat adds them, so that both give the same bits: those of every fourth entry apart,
;; then the first to the third, the second to the fourth, and both together.
(module
  (memory (export "memory") 1)
  ;; `lists`: room for 8 bytes an entry of a row, twice. `sums`: room for a row of `out`.
  (func (export "multiply")
    (param $rows i32) (param $count i32) (param $matrix i32) (param $columns i32)
    (param $inner i32) (param $out i32) (param $lists i32) (param $sums i32)
    (local $row_bytes i32) (local $out_bytes i32) (local $list_bytes i32)
    (local $r i32) (local $i i32) (local $at i32) (local $end i32) (local $to i32)
    (local $end0 i32) (local $end1 i32) (local $end2 i32) (local $end3 i32)
    (local.set $row_bytes (i32.shl (local.get $inner) (i32.const 2)))
    (local.set $out_bytes (i32.shl (local.get $columns) (i32.const 2)))
    ;; Every fourth entry makes a list.
    (local.set $list_bytes (i32.shl (local.get $inner) (i32.const 1)))
    (block $rows_done
      (loop $each_row
        (br_if $rows_done (i32.ge_u (local.get $r) (local.get $count)))
        (local.set $i (i32.const 0))
        (loop $each_list
          (local.set $at (i32.add
            (i32.add (local.get $rows) (i32.mul (local.get $r) (local.get $row_bytes)))
            (i32.shl (local.get $i) (i32.const 2))))
          (local.set $end (call $listed
            (local.get $at) (local.get $inner)
            (i32.add (local.get $matrix) (i32.mul (local.get $i) (local.get $out_bytes)))
            (i32.shl (local.get $out_bytes) (i32.const 2))
            (i32.add (local.get $lists) (i32.mul (local.get $i) (local.get $list_bytes)))))
          (if (i32.eq (local.get $i) (i32.const 0)) (then (local.set $end0 (local.get $end))))
          (if (i32.eq (local.get $i) (i32.const 1)) (then (local.set $end1 (local.get $end))))
          (if (i32.eq (local.get $i) (i32.const 2)) (then (local.set $end2 (local.get $end))))
          (if (i32.eq (local.get $i) (i32.const 3)) (then (local.set $end3 (local.get $end))))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $each_list (i32.lt_u (local.get $i) (i32.const 4))))
        (local.set $to (i32.add (local.get $out) (i32.mul (local.get $r) (local.get $out_bytes))))
        (call $product (local.get $lists) (local.get $end0)
          (local.get $to) (local.get $out_bytes) (i32.const 0))
        (call $product
          (i32.add (local.get $lists) (i32.shl (local.get $list_bytes) (i32.const 1)))
          (local.get $end2) (local.get $to) (local.get $out_bytes) (i32.const 1))
        (call $product (i32.add (local.get $lists) (local.get $list_bytes)) (local.get $end1)
          (local.get $sums) (local.get $out_bytes) (i32.const 0))
        (call $product
          (i32.add (local.get $lists) (i32.mul (local.get $list_bytes) (i32.const 3)))
          (local.get $end3) (local.get $sums) (local.get $out_bytes) (i32.const 1))
        (local.set $at (local.get $sums))
        (local.set $end (i32.add (local.get $sums) (local.get $out_bytes)))
        (block $added
          (loop $each_four
            (br_if $added (i32.ge_u (local.get $at) (local.get $end)))
            (v128.store (local.get $to)
              (f32x4.add (v128.load (local.get $to)) (v128.load (local.get $at))))
            (local.set $at (i32.add (local.get $at) (i32.const 16)))
            (local.set $to (i32.add (local.get $to) (i32.const 16)))
            (br $each_four)))
        (local.set $r (i32.add (local.get $r) (i32.const 1)))
        (br $each_row))))

  ;; Lists every fourth entry of a row that is not 0, each with where its row of the matrix begins; returns
  ;; where the list ends.
  (func $listed (param $at i32) (param $inner i32) (param $matrix i32) (param $step i32) (param $to i32)
    (result i32)
    (local $end i32) (local $x i32)
    (local.set $end (i32.add (local.get $at) (i32.shl (local.get $inner) (i32.const 2))))
    (block $done
      (loop $each_entry
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $x (i32.load (local.get $at)))
        (i32.store (local.get $to) (local.get $x))
        (i32.store offset=4 (local.get $to) (local.get $matrix))
        ;; What is 0, of either sign, is written over by the next.
        (local.set $to (i32.add (local.get $to) (i32.shl
          (i32.ne (i32.shl (local.get $x) (i32.const 1)) (i32.const 0)) (i32.const 3))))
        (local.set $matrix (i32.add (local.get $matrix) (local.get $step)))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $each_entry)))
    (local.get $to))

  ;; Sums of a list, for all columns.
  (func $product (param $list i32) (param $list_end i32) (param $sums i32) (param $bytes i32)
    (param $more i32)
    (local $column i32)
    (block $wide_done
      (loop $each_wide
        (br_if $wide_done (i32.gt_u
          (i32.add (local.get $column) (i32.const 128)) (local.get $bytes)))
        (call $eight (local.get $list) (local.get $list_end) (local.get $column)
          (i32.add (local.get $sums) (local.get $column)) (local.get $more))
        (local.set $column (i32.add (local.get $column) (i32.const 128)))
        (br $each_wide)))
    (block $done
      (loop $each_four
        (br_if $done (i32.ge_u (local.get $column) (local.get $bytes)))
        (call $one (local.get $list) (local.get $list_end) (local.get $column)
          (i32.add (local.get $sums) (local.get $column)) (local.get $more))
        (local.set $column (i32.add (local.get $column) (i32.const 16)))
        (br $each_four))))

  ;; Sums of a list for 32 columns, to which `more` says to add those that are there.
  (func $eight (param $list i32) (param $list_end i32) (param $column i32) (param $sums i32)
    (param $more i32)
    (local $entry i32) (local $m i32) (local $x v128) (local $zero v128)
    (local $s0 v128) (local $s1 v128) (local $s2 v128) (local $s3 v128) (local $s4 v128) (local $s5 v128) (local $s6 v128) (local $s7 v128)
    (local.set $s0 (local.get $zero))
    (local.set $s1 (local.get $zero))
    (local.set $s2 (local.get $zero))
    (local.set $s3 (local.get $zero))
    (local.set $s4 (local.get $zero))
    (local.set $s5 (local.get $zero))
    (local.set $s6 (local.get $zero))
    (local.set $s7 (local.get $zero))
    (local.set $entry (local.get $list))
    (block $list_done
      (loop $each_entry
        (br_if $list_done (i32.ge_u (local.get $entry) (local.get $list_end)))
        (local.set $x (v128.load32_splat (local.get $entry)))
        (local.set $m (i32.add (local.get $column) (i32.load offset=4 (local.get $entry))))
        (local.set $s0 (f32x4.add (local.get $s0)
          (f32x4.mul (local.get $x) (v128.load (local.get $m)))))
        (local.set $s1 (f32x4.add (local.get $s1)
          (f32x4.mul (local.get $x) (v128.load offset=16 (local.get $m)))))
        (local.set $s2 (f32x4.add (local.get $s2)
          (f32x4.mul (local.get $x) (v128.load offset=32 (local.get $m)))))
        (local.set $s3 (f32x4.add (local.get $s3)
          (f32x4.mul (local.get $x) (v128.load offset=48 (local.get $m)))))
        (local.set $s4 (f32x4.add (local.get $s4)
          (f32x4.mul (local.get $x) (v128.load offset=64 (local.get $m)))))
        (local.set $s5 (f32x4.add (local.get $s5)
          (f32x4.mul (local.get $x) (v128.load offset=80 (local.get $m)))))
        (local.set $s6 (f32x4.add (local.get $s6)
          (f32x4.mul (local.get $x) (v128.load offset=96 (local.get $m)))))
        (local.set $s7 (f32x4.add (local.get $s7)
          (f32x4.mul (local.get $x) (v128.load offset=112 (local.get $m)))))
        (local.set $entry (i32.add (local.get $entry) (i32.const 8)))
        (br $each_entry)))
    (if (local.get $more)
      (then
        (v128.store (local.get $sums) (f32x4.add (local.get $s0) (v128.load (local.get $sums))))
        (v128.store offset=16 (local.get $sums) (f32x4.add (local.get $s1) (v128.load offset=16 (local.get $sums))))
        (v128.store offset=32 (local.get $sums) (f32x4.add (local.get $s2) (v128.load offset=32 (local.get $sums))))
        (v128.store offset=48 (local.get $sums) (f32x4.add (local.get $s3) (v128.load offset=48 (local.get $sums))))
        (v128.store offset=64 (local.get $sums) (f32x4.add (local.get $s4) (v128.load offset=64 (local.get $sums))))
        (v128.store offset=80 (local.get $sums) (f32x4.add (local.get $s5) (v128.load offset=80 (local.get $sums))))
        (v128.store offset=96 (local.get $sums) (f32x4.add (local.get $s6) (v128.load offset=96 (local.get $sums))))
        (v128.store offset=112 (local.get $sums) (f32x4.add (local.get $s7) (v128.load offset=112 (local.get $sums)))))
      (else
        (v128.store (local.get $sums) (local.get $s0))
        (v128.store offset=16 (local.get $sums) (local.get $s1))
        (v128.store offset=32 (local.get $sums) (local.get $s2))
        (v128.store offset=48 (local.get $sums) (local.get $s3))
        (v128.store offset=64 (local.get $sums) (local.get $s4))
        (v128.store offset=80 (local.get $sums) (local.get $s5))
        (v128.store offset=96 (local.get $sums) (local.get $s6))
        (v128.store offset=112 (local.get $sums) (local.get $s7)))))

  ;; The same for four columns.
  (func $one (param $list i32) (param $list_end i32) (param $column i32) (param $sums i32)
    (param $more i32)
    (local $entry i32) (local $m i32) (local $x v128) (local $zero v128)
    (local $s0 v128)
    (local.set $s0 (local.get $zero))
    (local.set $entry (local.get $list))
    (block $list_done
      (loop $each_entry
        (br_if $list_done (i32.ge_u (local.get $entry) (local.get $list_end)))
        (local.set $x (v128.load32_splat (local.get $entry)))
        (local.set $m (i32.add (local.get $column) (i32.load offset=4 (local.get $entry))))
        (local.set $s0 (f32x4.add (local.get $s0)
          (f32x4.mul (local.get $x) (v128.load (local.get $m)))))
        (local.set $entry (i32.add (local.get $entry) (i32.const 8)))
        (br $each_entry)))
    (if (local.get $more)
      (then
        (v128.store (local.get $sums) (f32x4.add (local.get $s0) (v128.load (local.get $sums)))))
      (else
        (v128.store (local.get $sums) (local.get $s0))))))
