;; Streams of entropy_coder.ts. A stream is a chain from symbol to symbol, so that what counts is how
;; long a link takes: no division, no branch that cannot be predicted, and four streams side by side
;; where they are decoded.
(module
  (memory (export "memory") 1)

  ;; Codes `count` symbols, the last first, behind the bits that stand before bit `first` of `words`.
  ;; `row`: [width] where each position's symbols begin, 16 bytes each: 2^31 over the frequency, what
  ;; makes a state's leading bits those that leave it, 2^12 less the frequency, and what is left over.
  ;; `raw`: end of what follows the escapes, in their order. Returns the bits that are taken then.
  (func (export "encode")
    (param $row i32) (param $width i32) (param $symbols i32) (param $raw i32) (param $count i32)
    (param $escape i32) (param $exact i32) (param $words i32) (param $first i32)
    (result i32)
    (local $state i32) (local $leaving i32) (local $entry i32) (local $symbol i32)
    (local $position i32) (local $begin i32) (local $bits i64) (local $held i32) (local $at i32)
    (local $byte i32) (local $table i32)
    (local.set $state (i32.const 65536))
    (local.set $begin (i32.add (local.get $row) (i32.shl (local.get $width) (i32.const 2))))
    (local.set $position (local.get $row))
    (local.set $at (i32.add (local.get $words) (i32.shr_u (local.get $first) (i32.const 3))))
    (local.set $held (i32.and (local.get $first) (i32.const 7)))
    (local.set $bits (i64.and
      (i64.load8_u (local.get $at))
      (i64.sub (i64.shl (i64.const 1) (i64.extend_i32_u (local.get $held))) (i64.const 1))))
    (block $done
      (loop $each_symbol
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (if (i32.eq (local.get $position) (local.get $row))
          (then (local.set $position (local.get $begin))))
        (local.set $position (i32.sub (local.get $position) (i32.const 4)))
        (local.set $table (i32.load (local.get $position)))
        (local.set $symbol
          (i32.load8_u (i32.add (local.get $symbols) (local.get $count))))
        (local.set $entry (i32.add (local.get $table)
          (i32.shl (local.get $symbol) (i32.const 4))))
        (if (i32.eq (local.get $symbol) (local.get $escape))
          (then
            (local.set $raw (i32.sub (local.get $raw) (i32.const 4)))
            (local.set $byte (i32.load (local.get $raw)))
            (if (i32.or
                (i32.eq (local.get $table) (local.get $exact))
                (i32.eq (i32.and (local.get $byte) (i32.const 127)) (i32.const 127)))
              (then
                (local.set $bits (i64.or (local.get $bits) (i64.shl
                  (i64.extend_i32_u
                    (i32.and (i32.shr_u (local.get $byte) (i32.const 8)) (i32.const 65535)))
                  (i64.extend_i32_u (local.get $held)))))
                (local.set $held (i32.add (local.get $held) (i32.const 16)))))
            (if (i32.ne (local.get $table) (local.get $exact))
              (then
                (local.set $bits (i64.or (local.get $bits) (i64.shl
                  (i64.extend_i32_u (i32.and (local.get $byte) (i32.const 255)))
                  (i64.extend_i32_u (local.get $held)))))
                (local.set $held (i32.add (local.get $held) (i32.const 8)))))))
        (local.set $leaving (i32.shr_u
          (i32.add (local.get $state) (i32.load offset=4 (local.get $entry)))
          (i32.const 17)))
        (local.set $bits (i64.or (local.get $bits) (i64.shl
          (i64.extend_i32_u (i32.and (local.get $state)
            (i32.sub (i32.shl (i32.const 1) (local.get $leaving)) (i32.const 1))))
          (i64.extend_i32_u (local.get $held)))))
        (local.set $held (i32.add (local.get $held) (local.get $leaving)))
        (local.set $state (i32.shr_u (local.get $state) (local.get $leaving)))
        ;; 2^12 times the quotient, and what is left over.
        (local.set $state (i32.add
          (i32.add (local.get $state) (i32.load offset=12 (local.get $entry)))
          (i32.mul
            (i32.load offset=8 (local.get $entry))
            (i32.wrap_i64 (i64.shr_u
              (i64.mul (i64.extend_i32_u (local.get $state)) (i64.load32_u (local.get $entry)))
              (i64.const 31))))))
        ;; Whole bytes go; the others are written with them, and again later.
        (i64.store (local.get $at) (local.get $bits))
        (local.set $at (i32.add (local.get $at) (i32.shr_u (local.get $held) (i32.const 3))))
        (local.set $bits (i64.shr_u (local.get $bits)
          (i64.extend_i32_u (i32.and (local.get $held) (i32.const -8)))))
        (local.set $held (i32.and (local.get $held) (i32.const 7)))
        (br $each_symbol)))
    (i64.store (local.get $at) (i64.or (local.get $bits) (i64.shl
      (i64.extend_i32_u (i32.sub (local.get $state) (i32.const 65536)))
      (i64.extend_i32_u (local.get $held)))))
    (i32.add (i32.const 16) (i32.add (local.get $held)
      (i32.shl (i32.sub (local.get $at) (local.get $words)) (i32.const 3)))))

  ;; Decodes `rows` rows of `width` symbols of four streams, of at most 16 symbols each. `streams`: of
  ;; every stream where its words begin, its bits, where its row is, where its symbols go and where
  ;; what follows its escapes, which moves on. `row`: [width] where each position's alphabet is: 16 sums of frequencies,
  ;; 16 bits each, then of every symbol its frequency and, above it, the sum of those before.
  (func (export "decode4")
    (param $streams i32) (param $rows i32) (param $width i32) (param $escape i32) (param $exact i32)
    (local $state0 i32) (local $state1 i32) (local $state2 i32) (local $state3 i32)
    (local $at0 i32) (local $at1 i32) (local $at2 i32) (local $at3 i32)
    (local $words0 i32) (local $words1 i32) (local $words2 i32) (local $words3 i32)
    (local $row0 i32) (local $row1 i32) (local $row2 i32) (local $row3 i32)
    (local $out0 i32) (local $out1 i32) (local $out2 i32) (local $out3 i32)
    (local $position i32) (local $end i32) (local $i i32)
    (local $table i32) (local $slot i32) (local $slots v128) (local $symbol i32) (local $entry i32)
    (local $entering i32)
    (local.set $words0 (i32.load (local.get $streams)))
    (local.set $words1 (i32.load offset=20 (local.get $streams)))
    (local.set $words2 (i32.load offset=40 (local.get $streams)))
    (local.set $words3 (i32.load offset=60 (local.get $streams)))
    (local.set $at0 (i32.sub (i32.load offset=4 (local.get $streams)) (i32.const 16)))
    (local.set $at1 (i32.sub (i32.load offset=24 (local.get $streams)) (i32.const 16)))
    (local.set $at2 (i32.sub (i32.load offset=44 (local.get $streams)) (i32.const 16)))
    (local.set $at3 (i32.sub (i32.load offset=64 (local.get $streams)) (i32.const 16)))
    (local.set $row0 (i32.load offset=8 (local.get $streams)))
    (local.set $row1 (i32.load offset=28 (local.get $streams)))
    (local.set $row2 (i32.load offset=48 (local.get $streams)))
    (local.set $row3 (i32.load offset=68 (local.get $streams)))
    (local.set $out0 (i32.load offset=12 (local.get $streams)))
    (local.set $out1 (i32.load offset=32 (local.get $streams)))
    (local.set $out2 (i32.load offset=52 (local.get $streams)))
    (local.set $out3 (i32.load offset=72 (local.get $streams)))
    (local.set $state0
      (call $read (local.get $words0) (local.get $at0) (i32.const 65536) (i32.const 16)))
    (local.set $state1
      (call $read (local.get $words1) (local.get $at1) (i32.const 65536) (i32.const 16)))
    (local.set $state2
      (call $read (local.get $words2) (local.get $at2) (i32.const 65536) (i32.const 16)))
    (local.set $state3
      (call $read (local.get $words3) (local.get $at3) (i32.const 65536) (i32.const 16)))
    (local.set $end (i32.shl (local.get $width) (i32.const 2)))
    (block $done
      (loop $each_row
        (br_if $done (i32.eqz (local.get $rows)))
        (local.set $rows (i32.sub (local.get $rows) (i32.const 1)))
        (local.set $position (i32.const 0))
        (loop $each_position
          ;; Takes a symbol out of every state. It is as many sums as are not above the slot; calls for
          ;; what is the same of all four take longer than to say it four times.
          (local.set $table (i32.load (i32.add (local.get $row0) (local.get $position))))
          (local.set $slot (i32.and (local.get $state0) (i32.const 4095)))
          (local.set $slots (i16x8.splat (local.get $slot)))
          (local.set $symbol (i32.popcnt (i8x16.bitmask (i8x16.narrow_i16x8_s
            (i16x8.ge_s (local.get $slots) (v128.load (local.get $table)))
            (i16x8.ge_s (local.get $slots) (v128.load offset=16 (local.get $table)))))))
          (i32.store8 (i32.add (local.get $out0) (local.get $i)) (local.get $symbol))
          (local.set $entry (i32.load offset=32
            (i32.add (local.get $table) (i32.shl (local.get $symbol) (i32.const 2)))))
          (local.set $state0 (i32.sub
            (i32.add (local.get $slot)
              (i32.mul
                (i32.and (local.get $entry) (i32.const 65535))
                (i32.shr_u (local.get $state0) (i32.const 12))))
            (i32.shr_u (local.get $entry) (i32.const 16))))
          (local.set $entering (i32.sub (i32.clz (local.get $state0)) (i32.const 15)))
          (local.set $at0 (i32.sub (local.get $at0) (local.get $entering)))
          (local.set $state0 (i32.or
            (i32.shl (local.get $state0) (local.get $entering))
            (i32.and
              (i32.sub (i32.shl (i32.const 1) (local.get $entering)) (i32.const 1))
              (i32.shr_u
                (i32.load (i32.add (local.get $words0) (i32.shr_u (local.get $at0) (i32.const 3))))
                (i32.and (local.get $at0) (i32.const 7))))))
          (if (i32.eq (local.get $symbol) (local.get $escape))
            (then (local.set $at0 (call $raw
              (local.get $words0) (local.get $at0)
              (i32.add (local.get $streams) (i32.const 16))
              (i32.eq (local.get $exact) (local.get $table))))))
          (local.set $table (i32.load (i32.add (local.get $row1) (local.get $position))))
          (local.set $slot (i32.and (local.get $state1) (i32.const 4095)))
          (local.set $slots (i16x8.splat (local.get $slot)))
          (local.set $symbol (i32.popcnt (i8x16.bitmask (i8x16.narrow_i16x8_s
            (i16x8.ge_s (local.get $slots) (v128.load (local.get $table)))
            (i16x8.ge_s (local.get $slots) (v128.load offset=16 (local.get $table)))))))
          (i32.store8 (i32.add (local.get $out1) (local.get $i)) (local.get $symbol))
          (local.set $entry (i32.load offset=32
            (i32.add (local.get $table) (i32.shl (local.get $symbol) (i32.const 2)))))
          (local.set $state1 (i32.sub
            (i32.add (local.get $slot)
              (i32.mul
                (i32.and (local.get $entry) (i32.const 65535))
                (i32.shr_u (local.get $state1) (i32.const 12))))
            (i32.shr_u (local.get $entry) (i32.const 16))))
          (local.set $entering (i32.sub (i32.clz (local.get $state1)) (i32.const 15)))
          (local.set $at1 (i32.sub (local.get $at1) (local.get $entering)))
          (local.set $state1 (i32.or
            (i32.shl (local.get $state1) (local.get $entering))
            (i32.and
              (i32.sub (i32.shl (i32.const 1) (local.get $entering)) (i32.const 1))
              (i32.shr_u
                (i32.load (i32.add (local.get $words1) (i32.shr_u (local.get $at1) (i32.const 3))))
                (i32.and (local.get $at1) (i32.const 7))))))
          (if (i32.eq (local.get $symbol) (local.get $escape))
            (then (local.set $at1 (call $raw
              (local.get $words1) (local.get $at1)
              (i32.add (local.get $streams) (i32.const 36))
              (i32.eq (local.get $exact) (local.get $table))))))
          (local.set $table (i32.load (i32.add (local.get $row2) (local.get $position))))
          (local.set $slot (i32.and (local.get $state2) (i32.const 4095)))
          (local.set $slots (i16x8.splat (local.get $slot)))
          (local.set $symbol (i32.popcnt (i8x16.bitmask (i8x16.narrow_i16x8_s
            (i16x8.ge_s (local.get $slots) (v128.load (local.get $table)))
            (i16x8.ge_s (local.get $slots) (v128.load offset=16 (local.get $table)))))))
          (i32.store8 (i32.add (local.get $out2) (local.get $i)) (local.get $symbol))
          (local.set $entry (i32.load offset=32
            (i32.add (local.get $table) (i32.shl (local.get $symbol) (i32.const 2)))))
          (local.set $state2 (i32.sub
            (i32.add (local.get $slot)
              (i32.mul
                (i32.and (local.get $entry) (i32.const 65535))
                (i32.shr_u (local.get $state2) (i32.const 12))))
            (i32.shr_u (local.get $entry) (i32.const 16))))
          (local.set $entering (i32.sub (i32.clz (local.get $state2)) (i32.const 15)))
          (local.set $at2 (i32.sub (local.get $at2) (local.get $entering)))
          (local.set $state2 (i32.or
            (i32.shl (local.get $state2) (local.get $entering))
            (i32.and
              (i32.sub (i32.shl (i32.const 1) (local.get $entering)) (i32.const 1))
              (i32.shr_u
                (i32.load (i32.add (local.get $words2) (i32.shr_u (local.get $at2) (i32.const 3))))
                (i32.and (local.get $at2) (i32.const 7))))))
          (if (i32.eq (local.get $symbol) (local.get $escape))
            (then (local.set $at2 (call $raw
              (local.get $words2) (local.get $at2)
              (i32.add (local.get $streams) (i32.const 56))
              (i32.eq (local.get $exact) (local.get $table))))))
          (local.set $table (i32.load (i32.add (local.get $row3) (local.get $position))))
          (local.set $slot (i32.and (local.get $state3) (i32.const 4095)))
          (local.set $slots (i16x8.splat (local.get $slot)))
          (local.set $symbol (i32.popcnt (i8x16.bitmask (i8x16.narrow_i16x8_s
            (i16x8.ge_s (local.get $slots) (v128.load (local.get $table)))
            (i16x8.ge_s (local.get $slots) (v128.load offset=16 (local.get $table)))))))
          (i32.store8 (i32.add (local.get $out3) (local.get $i)) (local.get $symbol))
          (local.set $entry (i32.load offset=32
            (i32.add (local.get $table) (i32.shl (local.get $symbol) (i32.const 2)))))
          (local.set $state3 (i32.sub
            (i32.add (local.get $slot)
              (i32.mul
                (i32.and (local.get $entry) (i32.const 65535))
                (i32.shr_u (local.get $state3) (i32.const 12))))
            (i32.shr_u (local.get $entry) (i32.const 16))))
          (local.set $entering (i32.sub (i32.clz (local.get $state3)) (i32.const 15)))
          (local.set $at3 (i32.sub (local.get $at3) (local.get $entering)))
          (local.set $state3 (i32.or
            (i32.shl (local.get $state3) (local.get $entering))
            (i32.and
              (i32.sub (i32.shl (i32.const 1) (local.get $entering)) (i32.const 1))
              (i32.shr_u
                (i32.load (i32.add (local.get $words3) (i32.shr_u (local.get $at3) (i32.const 3))))
                (i32.and (local.get $at3) (i32.const 7))))))
          (if (i32.eq (local.get $symbol) (local.get $escape))
            (then (local.set $at3 (call $raw
              (local.get $words3) (local.get $at3)
              (i32.add (local.get $streams) (i32.const 76))
              (i32.eq (local.get $exact) (local.get $table))))))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (local.set $position (i32.add (local.get $position) (i32.const 4)))
          (br_if $each_position (i32.lt_u (local.get $position) (local.get $end))))
        (br $each_row))))

  ;; `above`, and below it the bits of a stream from `at` on.
  (func $read
    (param $words i32) (param $at i32) (param $above i32) (param $bits i32) (result i32)
    (i32.or (local.get $above) (i32.and
      (i32.sub (i32.shl (i32.const 1) (local.get $bits)) (i32.const 1))
      (i32.shr_u
        (i32.load (i32.add (local.get $words) (i32.shr_u (local.get $at) (i32.const 3))))
        (i32.and (local.get $at) (i32.const 7))))))

  ;; Reads what follows an escape, and puts it where `out` says; the bit before which the stream goes on.
  (func $raw
    (param $words i32) (param $at i32) (param $out i32) (param $exact i32) (result i32)
    (local $byte i32)
    (local.set $byte (i32.const 127))
    (if (i32.eqz (local.get $exact))
      (then
        (local.set $at (i32.sub (local.get $at) (i32.const 8)))
        (local.set $byte (call $read (local.get $words) (local.get $at) (i32.const 0) (i32.const 8)))))
    (if (i32.eq (i32.and (local.get $byte) (i32.const 127)) (i32.const 127))
      (then
        (local.set $at (i32.sub (local.get $at) (i32.const 16)))
        (local.set $byte (i32.or (local.get $byte) (i32.shl
          (call $read (local.get $words) (local.get $at) (i32.const 0) (i32.const 16))
          (i32.const 8))))))
    (i32.store (i32.load (local.get $out)) (local.get $byte))
    (i32.store (local.get $out) (i32.add (i32.load (local.get $out)) (i32.const 4)))
    (local.get $at)))
