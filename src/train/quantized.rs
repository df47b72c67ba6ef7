//! Quantization-aware training: what a run takes from an int8 bundle, and what it gives back.

use super::network::Rounding;
use super::parameters::Parameters;
use super::run::{RunFolder, State};
use crate::arch::{Parameter, VluNetConfig};
use crate::bundle::{Bundle, Dtype, NewVariant};
use crate::onnx::restorer_weights;
use crate::quantize::{Ranges, float_form};
use crate::weights::Weights;
use crate::{Error, Result, atomic_file};
use burn::tensor::Device;
use std::sync::Arc;

/// Of a weight's length: what rounding to int8 moves it by at most, and other weights by far more.
const ROUNDING: f32 = 0.1;

/// A bundle with an int8 variant, which says what rounds and where the scales begin.
pub struct Quantized {
    bundle: Bundle,
    rounding: Arc<Rounding>,
    weights: Weights,
}

impl Quantized {
    /// Takes the ranges of a bundle's int8 restorer, and the weights that it stands for.
    ///
    /// # Errors
    /// [`Error::Bundle`] where the bundle lacks a float32 or an int8 variant, or its restorer is of
    /// another configuration; [`Error::Model`] where the two are not of one network.
    pub fn open(bundle: Bundle, config: &VluNetConfig) -> Result<Self> {
        let fail = |reason: &str| Error::Bundle { bundle: bundle.origin().into(), reason: reason.into() };
        let Ok(variant) = bundle.variant(Some(Dtype::Int8)) else {
            return Err(fail(
                "it has no int8 variant to take ranges from; `vlunet quantize` makes a bundle with one",
            ));
        };
        if bundle.manifest().config != *config {
            return Err(fail("its restorer is of another configuration than the recipe's network"));
        }
        let int8 = bundle.read(&variant.restorer)?;
        let float = bundle.read(&bundle.variant(Some(Dtype::F32))?.restorer)?;
        let float = float_form(&float, &int8)?;
        let weights = restorer_weights(config, &float)?;
        let rounding = Arc::new(Rounding::new(Ranges::read(&int8)?));
        Ok(Self { rounding, weights, bundle })
    }

    /// That of a run, where it is quantization-aware.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn of_run(run: &RunFolder, config: &VluNetConfig) -> Result<Option<Self>> {
        let path = run.quantized();
        path.exists().then(|| Self::open(Bundle::open(&path)?, config)).transpose()
    }

    /// Puts the bundle beside a run that begins with it.
    ///
    /// # Errors
    /// [`Error::Io`] where it can't be written; as [`Bundle::verify`].
    pub fn save(&self, run: &RunFolder) -> Result<()> {
        atomic_file::write_bytes(&run.quantized(), &self.bundle.to_archive()?)
    }

    /// Whether the other one has the same int8 restorer.
    pub fn is_same(&self, other: &Self) -> Result<bool> {
        let model = |own: &Self| Ok(own.bundle.variant(Some(Dtype::Int8))?.restorer.sha256.clone());
        Ok::<_, Error>(model(self)? == model(other)?)
    }

    /// How the network rounds.
    pub fn rounding(&self) -> Arc<Rounding> {
        self.rounding.clone()
    }

    /// The parameters that a run of it has: those of the network, and scales.
    pub fn table(&self, config: &VluNetConfig) -> Vec<Parameter> {
        [config.parameters(), self.rounding.table()].concat()
    }

    /// What a run begins with: the bundle's weights, or those of another run with its scales where
    /// it has learned them.
    ///
    /// # Errors
    /// [`Error::Train`] where that run's weights are others than those that the ranges are for.
    pub fn initial(
        &self,
        config: &VluNetConfig,
        from: Option<Weights>,
        device: &Device,
    ) -> Result<Parameters> {
        let own = from.is_none();
        let mut weights = from.unwrap_or_else(|| self.weights.clone());
        let scales = self.rounding.table();
        let learned = scales.iter().all(|parameter| weights.get(&parameter.name).is_ok());
        for parameter in scales.iter().filter(|_| !learned) {
            if let Some(value) = self.rounding.initial(parameter) {
                weights.insert(parameter.name.clone(), ndarray::arr1(&[value]).into_dyn());
            }
        }
        if !own && !learned {
            self.check(&weights)?;
        }
        Parameters::from_weights(&self.table(config), &weights, device)
    }

    /// That these are about the weights that the int8 model stands for.
    fn check(&self, weights: &Weights) -> Result<()> {
        for (name, ours) in self.weights.iter() {
            let other = weights.get(name)?;
            let length = |values: ndarray::ArrayD<f32>| values.iter().map(|x| x * x).sum::<f32>().sqrt();
            if length(ours - other) > ROUNDING * length(ours.clone()) {
                return Err(Error::Train(format!(
                    "the run's {name} is not what {} was quantized from: quantize that run's bundle, with \
                     --no-equalise, or leave --from out",
                    self.bundle.origin()
                )));
            }
        }
        Ok(())
    }

    /// The int8 variant of a trained network: `restorer` is its float32 form, `weights` hold the
    /// learned scales. The int8 head is the bundle's own, where that belongs to the head `vlm`.
    ///
    /// # Errors
    /// [`Error::Model`] where the restorer is of another network; as reading the bundle.
    pub fn variant(&self, restorer: &[u8], weights: &Weights, vlm: &[u8]) -> Result<NewVariant> {
        let scale = |name: &str| weights.get(name).ok().and_then(|scale| scale.first().copied());
        let restorer = self.rounding.learned(scale).quantize(restorer)?.onnx;
        let [float, int8] = [Dtype::F32, Dtype::Int8].map(|dtype| self.bundle.variant(Some(dtype)));
        let vlm = match (&float?.vlm, &int8?.vlm) {
            (Some(float), Some(int8)) if *self.bundle.read(float)? == *vlm => {
                Some(self.bundle.read(int8)?.into_owned())
            }
            _ => None,
        };
        Ok(NewVariant { dtype: Dtype::Int8, restorer, vlm })
    }
}

impl State {
    /// A run's state, and what it rounds by where it is quantization-aware.
    ///
    /// # Errors
    /// As [`Self::open`] and [`Quantized::open`].
    pub fn of_run(
        run: &RunFolder,
        config: &VluNetConfig,
        device: &Device,
    ) -> Result<(Self, Option<Quantized>)> {
        let quantized = Quantized::of_run(run, config)?;
        let table = quantized.as_ref().map_or_else(|| config.parameters(), |own| own.table(config));
        Ok((Self::open(&run.checkpoint(), &table, device)?, quantized))
    }
}
