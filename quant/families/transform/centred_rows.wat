;; out[r][c] = (values[r][c] - mean[c]) * scales[c], rows of `out` being `out_bytes` apart. Returns whether
;; all values are finite: 0 times anything that is not is no number.
(module
  (memory (export "memory") 1)
  (func (export "centre")
    (param $values i32) (param $rows i32) (param $channels i32)
    (param $mean i32) (param $scales i32) (param $out i32) (param $out_bytes i32)
    (result i32)
    (local $c i32) (local $fours i32) (local $end i32)
    (local $x v128) (local $sum v128) (local $zero v128) (local $y f32) (local $rest f32)
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
            (local.set $x (v128.load (i32.add (local.get $values) (local.get $c))))
            (local.set $sum (f32x4.add (local.get $sum) (f32x4.mul (local.get $x) (local.get $zero))))
            (v128.store (i32.add (local.get $out) (local.get $c)) (f32x4.mul
              (f32x4.sub (local.get $x) (v128.load (i32.add (local.get $mean) (local.get $c))))
              (v128.load (i32.add (local.get $scales) (local.get $c)))))
            (local.set $c (i32.add (local.get $c) (i32.const 16)))
            (br $each_four)))
        (block $rest_done
          (loop $each_one
            (br_if $rest_done (i32.ge_u (local.get $c) (local.get $end)))
            (local.set $y (f32.load (i32.add (local.get $values) (local.get $c))))
            (local.set $rest
              (f32.add (local.get $rest) (f32.mul (local.get $y) (f32.const 0))))
            (f32.store (i32.add (local.get $out) (local.get $c)) (f32.mul
              (f32.sub (local.get $y) (f32.load (i32.add (local.get $mean) (local.get $c))))
              (f32.load (i32.add (local.get $scales) (local.get $c)))))
            (local.set $c (i32.add (local.get $c) (i32.const 4)))
            (br $each_one)))
        (local.set $values (i32.add (local.get $values) (local.get $end)))
        (local.set $out (i32.add (local.get $out) (local.get $out_bytes)))
        (br $each_row)))
    (i32.and
      (i32.eqz (v128.any_true (f32x4.ne (local.get $sum) (local.get $zero))))
      (f32.eq (local.get $rest) (f32.const 0)))))
