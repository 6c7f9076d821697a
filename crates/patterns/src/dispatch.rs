//! Lets the processor's wider registers be used where it has them: the same code, compiled a second time for them.
//!
//! What is handed to [`wide`] must be `#[inline(always)]` all the way down, else it is compiled for the least processor
//! only; the answer is the same either way.

/// Runs `work`, compiled for AVX2 where this processor has it.
#[inline(always)]
pub(crate) fn wide<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("bmi2") {
            // SAFETY: the processor has just been asked for both features, which is all that `with_avx2` demands.
            return unsafe { with_avx2(work) };
        }
    }
    work()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn with_avx2<R>(work: impl FnOnce() -> R) -> R {
    work()
}
