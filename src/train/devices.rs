//! What a run computes on: the CPU's cores, or one or several GPUs.

use crate::{Error, Result};
use burn::tensor::{Device, Tensor};
use std::fmt::{Display, Formatter};
use std::panic;
use std::str::FromStr;

/// Devices as `--device` names them: `cpu`, `cuda`, `cuda:1`, `cuda:0,1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The CPU.
    Cpu,
    /// NVIDIA GPUs by their indices; the first where there are none.
    Cuda(Vec<usize>),
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || format!("{text:?} is no device: give cpu, cuda, cuda:N or cuda:N,M");
        match text.split_once(':') {
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "cuda" => Ok(Self::Cuda(Vec::new())),
            Some(("cuda", list)) => {
                let indices = list.split(',').map(str::parse).collect::<Result<Vec<usize>, _>>();
                let indices = indices.map_err(|_| unknown())?;
                let repeated = indices.iter().enumerate().find(|(at, index)| indices[..*at].contains(index));
                match repeated {
                    Some((_, index)) => Err(format!("{text:?} names device {index} twice")),
                    None => Ok(Self::Cuda(indices)),
                }
            }
            _ => Err(unknown()),
        }
    }
}

impl Display for Choice {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(indices) if indices.is_empty() => f.write_str("cuda"),
            Self::Cuda(indices) => {
                let indices: Vec<_> = indices.iter().map(usize::to_string).collect();
                write!(f, "cuda:{}", indices.join(","))
            }
        }
    }
}

impl Choice {
    /// The devices of a network's replicas, one each: on the CPU one per thread, else one per
    /// GPU. All that is kept between steps is on the first.
    ///
    /// # Errors
    /// [`Error::Train`] where a GPU is asked for that is not there, or none can be used.
    pub fn open(&self, threads: usize) -> Result<Vec<Device>> {
        let indices = match self {
            Self::Cpu => return Ok(vec![Device::flex(); threads.max(1)]),
            Self::Cuda(indices) if indices.is_empty() => &[0],
            Self::Cuda(indices) => indices.as_slice(),
        };
        let unusable = |why: String| Error::Train(format!("--device {self}: {why}"));
        let all = gpus().map_err(unusable)?;
        let chosen = |index: &usize| match all.get(*index) {
            Some(device) => probed(device).map_err(|why| unusable(format!("GPU {index} fails: {why}"))),
            None => Err(unusable(format!("there is no GPU {index}, only 0 to {}", all.len() - 1))),
        };
        indices.iter().map(chosen).collect()
    }
}

/// Every NVIDIA GPU, at least one, or why none can be used.
///
/// # Errors
/// One clear line for people.
#[cfg(feature = "train-cuda")]
pub fn gpus() -> Result<Vec<Device>, String> {
    // To open a device without a driver would panic in a thread of the framework's.
    let all: Vec<Device> = Device::enumerate(burn::tensor::DeviceType::Cuda).into_iter().collect();
    if all.is_empty() {
        return Err("no NVIDIA GPU with a driver (libcuda.so.1) is here; --device cpu works \
                    everywhere"
            .into());
    }
    Ok(all)
}

/// Every NVIDIA GPU, at least one, or why none can be used.
///
/// # Errors
/// One clear line for people: always, as this build has no CUDA.
#[cfg(not(feature = "train-cuda"))]
pub fn gpus() -> Result<Vec<Device>, String> {
    Err("this vlunet-train was built without CUDA; build it with --features train-cuda".into())
}

/// The name of a GPU's model, where its driver gives one.
pub fn model(gpu: &Device) -> Option<String> {
    #[cfg(feature = "train-cuda")]
    return guarded(|| gpu.identity().map(|identity| identity.name.to_string())).ok().flatten();
    #[cfg(not(feature = "train-cuda"))]
    {
        let _ = gpu;
        None
    }
}

/// The device, after one small sum on it: that takes the driver, NVRTC and CUDA's headers.
fn probed(device: &Device) -> Result<Device, String> {
    let sum = guarded(|| (Tensor::<1>::ones([2], device) + 1.0).sum().into_scalar::<f32>())?;
    if sum == 4.0 { Ok(device.clone()) } else { Err(format!("2 + 2 is {sum} on it")) }
}

/// What `operation` gives; the framework says by a panic that a device or library is at fault.
fn guarded<R>(operation: impl FnOnce() -> R) -> Result<R, String> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let result = panic::catch_unwind(panic::AssertUnwindSafe(operation));
    panic::set_hook(hook);
    result.map_err(|panic| super::replicas::said(&*panic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_and_written_alike() {
        for text in ["cpu", "cuda", "cuda:0", "cuda:3", "cuda:0,1"] {
            assert_eq!(text.parse::<Choice>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_unknown_device_is_one_clear_line() {
        for text in ["", "gpu", "cpu:0", "cuda:", "cuda:x", "cuda:-1", "cuda:0,,1", "CUDA"] {
            let error = text.parse::<Choice>().unwrap_err();
            assert!(error.contains("give cpu, cuda, cuda:N") && !error.contains('\n'), "{error}");
        }
        assert!("cuda:1,0,1".parse::<Choice>().unwrap_err().contains("device 1 twice"));
    }

    #[test]
    fn the_cpu_has_a_replica_per_thread() {
        assert_eq!(Choice::Cpu.open(3).unwrap().len(), 3);
    }

    #[test]
    fn a_failing_device_is_one_clear_line() {
        assert_eq!(guarded(|| 1), Ok(1));
        let error = guarded(|| -> u8 { panic!("no libnvrtc\n  at line 1") }).unwrap_err();
        assert_eq!(error, "no libnvrtc");
        assert!(probed(&Device::flex()).is_ok());
    }

    #[test]
    fn a_gpu_that_is_not_there_is_one_clear_line() {
        let error = Choice::Cuda(vec![999]).open(1).unwrap_err().to_string();
        assert!(error.contains("--device cuda:999: ") && !error.contains('\n'), "{error}");
    }
}
