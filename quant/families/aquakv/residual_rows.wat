;; What predictions leave of rows, and rows from what was left. Entries are brought within half precision;
;; what is no number becomes 0.
(module
  (memory (export "memory") 1)

  ;; left[t][c] = values[t][c] - predicted[t][c], for the `channels` of a head; rows of `left` and of
  ;; `predicted` are `row_bytes` apart.
  (func (export "take_off")
    (param $values i32) (param $rows i32) (param $channels i32)
    (param $predicted i32) (param $left i32) (param $row_bytes i32)
    (local $c i32) (local $fours i32) (local $end i32)
    (local.set $end (i32.shl (local.get $channels) (i32.const 2)))
    (local.set $fours (i32.and (local.get $end) (i32.const -16)))
    (block $done
      (loop $each_row
        (br_if $done (i32.eqz (local.get $rows)))
        (local.set $rows (i32.sub (local.get $rows) (i32.const 1)))
        (local.set $c (i32.const 0))
        (block $fours_done
          (loop $each_four
            (br_if $fours_done (i32.ge_u (local.get $c) (local.get $fours)))
            (v128.store (i32.add (local.get $left) (local.get $c)) (f32x4.sub
              (call $finite (v128.load (i32.add (local.get $values) (local.get $c))))
              (v128.load (i32.add (local.get $predicted) (local.get $c)))))
            (local.set $c (i32.add (local.get $c) (i32.const 16)))
            (br $each_four)))
        (block $rest_done
          (loop $each_one
            (br_if $rest_done (i32.ge_u (local.get $c) (local.get $end)))
            (f32.store (i32.add (local.get $left) (local.get $c)) (f32.sub
              (f32x4.extract_lane 0 (call $finite
                (v128.load32_zero (i32.add (local.get $values) (local.get $c)))))
              (f32.load (i32.add (local.get $predicted) (local.get $c)))))
            (local.set $c (i32.add (local.get $c) (i32.const 4)))
            (br $each_one)))
        (local.set $values (i32.add (local.get $values) (local.get $end)))
        (local.set $predicted (i32.add (local.get $predicted) (local.get $row_bytes)))
        (local.set $left (i32.add (local.get $left) (local.get $row_bytes)))
        (br $each_row))))

  ;; left[i] += predicted[i], four at a time until all are done.
  (func (export "put_back") (param $left i32) (param $predicted i32) (param $bytes i32)
    (local $end i32)
    (local.set $end (i32.add (local.get $left) (local.get $bytes)))
    (block $done
      (loop $each_four
        (br_if $done (i32.ge_u (local.get $left) (local.get $end)))
        (v128.store (local.get $left) (call $finite (f32x4.add
          (v128.load (local.get $left)) (v128.load (local.get $predicted)))))
        (local.set $left (i32.add (local.get $left) (i32.const 16)))
        (local.set $predicted (i32.add (local.get $predicted) (i32.const 16)))
        (br $each_four))))

  (func $finite (param $x v128) (result v128)
    (v128.and
      (f32x4.eq (local.get $x) (local.get $x))
      (f32x4.pmax
        (f32x4.splat (f32.const -65504))
        (f32x4.pmin (f32x4.splat (f32.const 65504)) (local.get $x))))))
