//! What a plan holds for, and no other does.

use super::{Device, Options};
use sha2::{Digest, Sha256};
use std::fmt;

/// The generation of plans: to be raised when the shim builds others from the same options.
const FORMAT: u32 = 1;

/// The name of what is kept in a [`Cache`](super::Cache).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    pub(super) kind: &'static str,
    pub(super) digest: [u8; 32],
}

impl Key {
    /// `plan-…` with the digest in hexadecimal digits.
    pub(super) fn file_name(&self) -> String {
        let digits: String = self.digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{digits}", self.kind)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file_name())
    }
}

/// All that decides what a plan is. A plan runs on the GPU and with the TensorRT that it was built
/// with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanKey {
    /// SHA-256 of the ONNX file.
    pub model: [u8; 32],
    /// TensorRT's exact version, as a number.
    pub tensorrt: u32,
    /// The GPU's name.
    pub gpu: String,
    /// Its compute capability.
    pub compute_capability: [i32; 2],
    /// The CUDA version of the driver.
    pub cuda: [i32; 2],
    /// What the engine is built for.
    pub options: Options,
}

impl PlanKey {
    /// For a model on a GPU.
    pub fn new(device: &Device, onnx: &[u8], options: &Options) -> Self {
        Self {
            model: Sha256::digest(onnx).into(),
            tensorrt: device.library().version().number(),
            gpu: device.name().into(),
            compute_capability: device.compute_capability(),
            cuda: device.cuda(),
            options: options.clone(),
        }
    }

    /// The plan's.
    pub fn key(&self) -> Key {
        let mut hash = self.machine();
        let Options {
            dtype,
            profiles,
            workspace,
            dla_core,
            optimization_level,
            tf32,
            pin_normalisation,
            lean,
        } = &self.options;
        hash.field(&self.model);
        hash.field(dtype.as_str().as_bytes());
        hash.option(*workspace);
        hash.option(dla_core.map(u64::from));
        hash.option(optimization_level.map(u64::from));
        hash.field(&[*tf32, *pin_normalisation, *lean].map(u8::from));
        hash.number(profiles.len() as u64);
        for profile in profiles {
            hash.number(profile.0.len() as u64);
            for range in &profile.0 {
                hash.field(range.input.as_bytes());
                for shape in [&range.min, &range.opt, &range.max] {
                    hash.number(shape.len() as u64);
                    shape.iter().for_each(|side| hash.number(*side as u64));
                }
            }
        }
        Key { kind: "plan", digest: hash.0.finalize().into() }
    }

    /// That of the times of kernels, which all models on the same GPU share.
    pub fn timing_key(&self) -> Key {
        Key { kind: "timing", digest: self.machine().0.finalize().into() }
    }

    fn machine(&self) -> Hash {
        let mut hash = Hash(Sha256::new());
        hash.number(FORMAT.into());
        hash.number(self.tensorrt.into());
        hash.field(self.gpu.as_bytes());
        for number in self.compute_capability.iter().chain(&self.cuda) {
            hash.field(&number.to_le_bytes());
        }
        hash
    }
}

/// Fields with their lengths, so that no two lists of fields have the same bytes.
struct Hash(Sha256);

impl Hash {
    fn number(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }

    fn field(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    fn option(&mut self, number: Option<u64>) {
        self.number(number.is_some().into());
        self.number(number.unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Dtype, Profile};
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_key_differs_in_every_field() {
        let size: &[usize] = &[1, 3, 360, 640];
        let base = PlanKey {
            model: [7; 32],
            tensorrt: 100_300,
            gpu: "Orin".into(),
            compute_capability: [8, 7],
            cuda: [12, 6],
            options: Options::new(Dtype::Fp16, vec![Profile::fixed(&[("image", size)])]),
        };
        let with = |change: &dyn Fn(&mut PlanKey)| {
            let mut changed = base.clone();
            change(&mut changed);
            assert_ne!(changed, base);
            changed
        };
        let range =
            |change: fn(&mut super::super::Range)| with(&move |k| change(&mut k.options.profiles[0].0[0]));
        let changed = [
            base.clone(),
            with(&|k| k.model[31] = 8),
            with(&|k| k.tensorrt = 100_301),
            with(&|k| k.gpu.push('2')),
            with(&|k| k.compute_capability = [8, 6]),
            with(&|k| k.compute_capability = [7, 8]),
            with(&|k| k.cuda = [12, 5]),
            with(&|k| k.cuda = [13, 6]),
            with(&|k| k.options.dtype = Dtype::Int8),
            with(&|k| k.options.dtype = Dtype::Fp32),
            with(&|k| k.options.workspace = Some(0)),
            with(&|k| k.options.workspace = Some(1 << 30)),
            with(&|k| k.options.dla_core = Some(0)),
            with(&|k| k.options.dla_core = Some(1)),
            with(&|k| k.options.optimization_level = Some(0)),
            with(&|k| k.options.optimization_level = Some(5)),
            with(&|k| k.options.tf32 = true),
            with(&|k| k.options.pin_normalisation = false),
            with(&|k| k.options.lean = true),
            with(&|k| k.options.profiles.push(Profile::default())),
            with(&|k| k.options.profiles.push(Profile::fixed(&[("image", &[1, 3, 720, 1280])]))),
            with(&|k| k.options.profiles[0] = Profile::fixed(&[("image", size), ("degradation", &[1, 512])])),
            range(|r| r.input.push('s')),
            range(|r| r.min[2] = 180),
            range(|r| r.opt[2] = 180),
            range(|r| r.max[2] = 720),
            range(|r| r.max = vec![1, 3, 640, 360]),
            range(|r| r.max.push(1)),
        ];
        let keys: HashSet<_> = changed.iter().map(PlanKey::key).collect();
        assert_eq!(keys.len(), changed.len());
        assert_eq!(base.key(), base.clone().key());
        assert_ne!(base.key().file_name(), base.timing_key().file_name());
        // The times hold for all models.
        assert_eq!(changed[1].timing_key(), base.timing_key());
        assert!(changed[2..8].iter().all(|key| key.timing_key() != base.timing_key()));
    }
}
