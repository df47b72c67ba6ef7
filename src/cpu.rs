//! What this machine's CPU computes in.

/// Whether the CPU computes in float16, and not only stores it: FEAT_FP16 of ARMv8.2 (Cortex-A55
/// and A76 and later: a Raspberry Pi 5, not a 4).
pub fn computes_in_f16() -> bool {
    #[cfg(target_arch = "aarch64")]
    {
        std::arch::is_aarch64_feature_detected!("fp16")
    }
    #[cfg(not(target_arch = "aarch64"))]
    {
        false
    }
}
