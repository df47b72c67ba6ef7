//! A trained head, ready for a bundle.

use super::folder::HeadFolder;
use super::frozen::FrozenClip;
use super::prompts::canonical;
use super::state::State;
use crate::arch::{ClipConfig, VisionConfig};
use crate::backend::Options;
use crate::bundle::{Builder, Bundle, Crops, Dtype, Preprocessing, Prompt, VlmManifest};
use crate::onnx;
use crate::vlm::Detector;
use crate::weights::Weights;
use crate::{Error, Result};
use burn::tensor::Device;
use ndarray::Array2;

/// What a bundle needs of a trained head.
///
/// ```no_run
/// use vlunet::train::head::{Head, HeadFolder};
///
/// let head = Head::open(&HeadFolder::new("runs/head"))?;
/// let mut detector = head.detector(&Default::default())?;
/// # Ok::<(), vlunet::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Head {
    /// Its towers, and how a picture becomes their input.
    pub manifest: VlmManifest,
    /// The image tower with its adapter, in float32.
    pub onnx: Vec<u8>,
    /// The same in other number formats, where a bundle has them.
    pub others: Vec<(Dtype, Vec<u8>)>,
    /// The prompts that it tells apart.
    pub prompts: Vec<Prompt>,
    /// d_T of each, `[N, 512]`: what the restorer is trained on, beside d_I.
    pub text_features: Array2<f32>,
    /// Steps that the image side was trained for, where that is known.
    pub steps: Option<u64>,
}

/// [`VlmManifest::text_share`] of the heads trained here. With 0.5 to 1 nano's restorer gains 1 dB
/// on haze and 0.4 dB on rain over 0, and loses nowhere; the tower's own share keeps what it sees
/// of the severity.
const TEXT_SHARE: f32 = 0.7;

/// A tower that is small enough can look at all of a frame; with a ViT it is as in the paper.
fn preprocessing(vision: &VisionConfig) -> Preprocessing {
    let crops = match vision {
        VisionConfig::Conv(_) => Crops::Ends,
        VisionConfig::Vit(_) => Crops::Centre,
    };
    Preprocessing { crops, ..Preprocessing::clip() }
}

impl Head {
    /// The head of a run, with the averaged weights of its image side.
    ///
    /// # Errors
    /// [`Error::Io`] where a file is missing, [`Error::Weights`] where it holds something else.
    pub fn open(folder: &HeadFolder) -> Result<Self> {
        let state = State::load(&folder.state(), &Device::flex())?;
        let mut image = state.average.to_weights()?;
        if let VisionConfig::Vit(_) = state.config.vision {
            for (name, tensor) in FrozenClip::open(&folder.clip(), &Device::flex())?.weights()?.iter() {
                image.insert(name, tensor.clone());
            }
        }
        let head = Self::new(state.config, &image, folder.read_text_features()?)?;
        Ok(Self { steps: Some(state.step), ..head })
    }

    /// The head of a bundle, to go with another restorer.
    ///
    /// # Errors
    /// [`Error::Bundle`] where the bundle has no head, or no vectors of its prompts.
    pub fn of_bundle(bundle: &Bundle) -> Result<Self> {
        let fail = |reason: &str| Error::Bundle { bundle: bundle.origin().into(), reason: reason.into() };
        let variant = bundle.variant(Some(Dtype::F32))?;
        let (Some(manifest), Some(entry)) = (&bundle.manifest().vlm, &variant.vlm) else {
            return Err(fail("it has no VLM head"));
        };
        let prompts = bundle.prompts()?;
        let text_features = prompts.text_features().ok_or_else(|| fail("its prompts have no vectors"))?;
        let others = bundle.manifest().variants.iter().filter(|variant| variant.dtype != Dtype::F32);
        let others = others.filter_map(|variant| Some((variant.dtype, variant.vlm.as_ref()?)));
        let others = others.map(|(dtype, entry)| Ok((dtype, bundle.read(entry)?.into_owned())));
        Ok(Self {
            manifest: manifest.clone(),
            onnx: bundle.read(entry)?.into_owned(),
            others: others.collect::<Result<_>>()?,
            prompts: prompts.prompts().to_vec(),
            text_features: text_features.clone(),
            steps: None,
        })
    }

    /// A head of these weights of its image side.
    ///
    /// # Errors
    /// [`Error::Weights`] where a tensor is missing, or there is not one row per prompt.
    pub fn new(config: ClipConfig, image: &Weights, text_features: Array2<f32>) -> Result<Self> {
        let prompts = canonical();
        if text_features.nrows() != prompts.len() {
            return Err(Error::Weights(format!(
                "{} rows of text features for {} prompts",
                text_features.nrows(),
                prompts.len()
            )));
        }
        image.check_finite()?;
        let onnx = onnx::image_tower(&config, image)?;
        let preprocessing = preprocessing(&config.vision);
        let manifest = VlmManifest { config, preprocessing, text_share: TEXT_SHARE, temperature: 1.0 };
        Ok(Self { manifest, onnx, others: Vec::new(), prompts, text_features, steps: None })
    }

    /// The head at work.
    ///
    /// # Errors
    /// [`Error::Model`] where the image tower can't be opened.
    pub fn detector(&self, options: &Options) -> Result<Detector> {
        Detector::new(&self.manifest, &self.onnx, &self.prompts, &self.text_features, options)
    }

    /// Puts the head into a bundle in the making. A task named by a user is steered by its d_T.
    pub fn add_to(self, bundle: &mut Builder) {
        bundle.vlm = Some((self.manifest, self.onnx));
        bundle.prompts = self.prompts;
        bundle.text_features = Some(self.text_features);
    }
}
