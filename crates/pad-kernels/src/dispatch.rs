//! Which instructions this processor has, and plain loops compiled for each set of them.

use std::sync::OnceLock;

/// Instruction sets that the loops are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// The target's baseline.
    Portable,
    /// x86-64 with AVX2, FMA and F16C.
    Avx2,
    /// These and AVX-VNNI.
    AvxVnni,
    /// x86-64 with AVX-512 (F, BW, VL, VNNI), AVX2, FMA and F16C.
    Avx512,
    /// 64-bit ARM, which always has NEON, with the dot products of four bytes.
    Neon,
}

impl Isa {
    /// The best set that this processor has.
    pub fn detect() -> Self {
        Self::available().last().copied().unwrap_or(Self::Portable)
    }

    /// Every set that this processor has, the portable one first.
    pub fn available() -> &'static [Self] {
        static FOUND: OnceLock<Vec<Isa>> = OnceLock::new();
        FOUND.get_or_init(Self::look)
    }

    fn look() -> Vec<Self> {
        #[cfg_attr(
            not(any(target_arch = "x86_64", target_arch = "aarch64")),
            expect(unused_mut, reason = "this architecture has one set")
        )]
        let mut sets = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 =
                is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c");
            if avx2 {
                sets.push(Self::Avx2);
            }
            if avx2 && is_x86_feature_detected!("avxvnni") {
                sets.push(Self::AvxVnni);
            }
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vnni");
            if avx2 && avx512 {
                sets.push(Self::Avx512);
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("dotprod") {
            sets.push(Self::Neon);
        }
        sets
    }
}

/// `a * b + acc`, fused where the instruction set has it: `FUSED` is fixed per set, so a result does not depend on the batch.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
pub(crate) fn mul_add<const FUSED: bool>(a: f32, b: f32, acc: f32) -> f32 {
    if FUSED { a.mul_add(b, acc) } else { a * b + acc }
}

/// Define `$name`, which runs `$body::<FUSED, ..>` compiled for the instruction set given as its first argument.
///
/// A generic argument is a constant (`<const N: usize>`) or a type (`[T: Bound]`).
///
/// `$body` must be `#[inline(always)]` so that it takes the features of the copy it is inlined into.
macro_rules! for_each_isa {
    ($(#[$meta:meta])* $vis:vis fn $name:ident $(<$(const $c:ident : $ct:ty),+>)? $([$t:ident : $bound:path])? ($($arg:ident : $ty:ty),* $(,)?) = $body:ident) => {
        $(#[$meta])*
        #[inline]
        $vis fn $name <$($(const $c: $ct,)+)? $($t: $bound)?> (isa: $crate::dispatch::Isa, $($arg: $ty),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn avx2 <$($(const $c: $ct,)+)? $($t: $bound)?> ($($arg: $ty),*) {
                    $body::<true, $($($c,)+)? $($t)?>($($arg),*);
                }
                #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
                fn avx512 <$($(const $c: $ct,)+)? $($t: $bound)?> ($($arg: $ty),*) {
                    $body::<true, $($($c,)+)? $($t)?>($($arg),*);
                }
                match isa {
                    // SAFETY: `Isa` values other than `Portable` come from `Isa::available`, which checked the processor.
                    $crate::dispatch::Isa::Avx2 | $crate::dispatch::Isa::AvxVnni => {
                        return unsafe { avx2::<$($($c,)+)? $($t)?> ($($arg),*) };
                    }
                    // SAFETY: as above.
                    $crate::dispatch::Isa::Avx512 => return unsafe { avx512::<$($($c,)+)? $($t)?> ($($arg),*) },
                    $crate::dispatch::Isa::Neon | $crate::dispatch::Isa::Portable => {}
                }
            }
            // Its instructions are in the baseline; that they are used fused is what sets it apart.
            #[cfg(target_arch = "aarch64")]
            if isa == $crate::dispatch::Isa::Neon {
                return $body::<true, $($($c,)+)? $($t)?>($($arg),*);
            }
            let _ = isa;
            $body::<false, $($($c,)+)? $($t)?>($($arg),*);
        }
    };
}
pub(crate) use for_each_isa;
